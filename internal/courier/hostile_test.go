package courier

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
)

// closed is a source that has nothing: what there is was carried over.
type closed struct{}

func (closed) Locate(_ context.Context, r envsource.Read) (envsource.Read, error) { return r, nil }

func (closed) Read(_ context.Context, r envsource.Read) (envsource.Answer, error) {
	return envsource.Answer{}, envsource.Mark(os.ErrNotExist, envsource.ErrUnavailable)
}

// memoryOf is a memory file with a text in it.
func memoryOf(t testing.TB, text []byte) *os.File {
	t.Helper()
	f, err := newMemoryFile()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if _, err := f.Write(text); err != nil {
		t.Fatal(err)
	}
	return f
}

// ordersOf are those that a courier hears in a text.
func ordersOf(text []byte) (Orders, error) { return newInbox(bytes.NewReader(text)).orders(Heading{}) }

// carried are orders and the memory file that a generation has left, with a value in it.
func carried(f *testing.F) (orders, carry []byte) {
	f.Helper()
	dir := f.TempDir()
	if err := os.WriteFile(dir+"/a", []byte("hush"), 0o600); err != nil {
		f.Fatal(err)
	}
	o := Orders{
		Task:  Task{Errand: Launch},
		Input: envsource.Input{Inherited: []string{"PATH=/usr/bin", "KEY=vault:a#value", "URL=${vault:a#value | base64}"}},
		Argv:  []string{"true"}, DigestKey: []byte("key"), Token: secret.New("t0ken"), Live: "/run/x", Mask: true,
	}
	result, err := fetch(f.Context(), o, nil, func(Orders) (map[string]envsource.Source, error) {
		return map[string]envsource.Source{envsource.SourceVault: folder(dir)}, nil
	}, nil)
	if err != nil {
		f.Fatal(err)
	}
	if carry, err = json.Marshal(result.Carry); err != nil || !bytes.Contains(carry, []byte("hush")) {
		f.Fatalf("%v: the value is not carried", err)
	}
	o.Carry = true
	var b bytes.Buffer
	if err := o.encode(&b); err != nil {
		f.Fatal(err)
	}
	return b.Bytes(), carry
}

// Whatever the orders are, and whatever the last generation has left, a courier ends in a report; the report has no value, and what the
// next one needs is sealed where there is nothing wrong.
func FuzzErrand(f *testing.F) {
	wholeOrders, wholeCarry := carried(f)
	orders, carry := wholeOrders, wholeCarry
	f.Add(orders, carry)
	for _, kind := range []string{"refresh", "probe"} {
		f.Add(bytes.Replace(orders, []byte(`"launch"`), []byte(`"`+kind+`"`), 1), carry)
	}
	for _, broken := range []string{"", "{", "null", "[]", `{"located":null,"answers":{"x":null}}`, `{"answers":{"":{"fields":{"a":"hush"}}}}`, string(carry[:len(carry)/2])} {
		f.Add(orders, []byte(broken))
		f.Add([]byte(broken), carry)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = null.Close() })
	f.Fuzz(func(t *testing.T, orders, carry []byte) {
		o, err := ordersOf(orders)
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := o.encode(&again); err != nil {
			t.Fatal(err)
		}
		if twice, err := ordersOf(again.Bytes()); err != nil || twice.Token != o.Token || len(twice.Argv) != len(o.Argv) {
			t.Errorf("orders come out otherwise than they went in: %v", err)
		}
		if len(o.Argv) == 0 {
			o.Argv = []string{"true"} // the command line has one
		}
		o.Retry, o.Patience = false, 0
		seal := memoryOf(t, nil)
		r := prepare(t.Context(), o, pipes{report: null, seal: seal, carry: memoryOf(t, carry)}, func(Orders) (map[string]envsource.Source, error) {
			return map[string]envsource.Source{envsource.SourceVault: closed{}, envsource.SourceFile: closed{}, envsource.SourceDotenv: closed{}}, nil
		})
		report, err := json.Marshal(r.report)
		if err != nil {
			t.Fatal(err)
		}
		inOrders, isValue := bytes.Contains(orders, []byte("hush")), bytes.Count(carry, []byte("hush")) == bytes.Count(carry, []byte(`"value":"hush"`))
		if !inOrders && isValue && bytes.Contains(report, []byte("hush")) {
			t.Errorf("the report has a value: %s", report)
		}
		if bytes.Equal(orders, wholeOrders) && bytes.Equal(carry, wholeCarry) && !slices.Contains(r.environ, "KEY=hush") {
			t.Errorf("the value is not carried: that no report has it is no wonder: %q", report)
		}
		if r.report.OK() && o.Errand != Probe && !sealed(seal) {
			t.Error("what the next courier needs is not sealed")
		}
	})
}

// Whatever stands on the pipe for orders, it is a heading and orders, or an error.
func FuzzHeading(f *testing.F) {
	f.Add([]byte(`{"vault":{"address":"http://127.0.0.1:8200"},"reads":3}{"token":"t0ken"}`))
	f.Add([]byte(`{"reads":-1}{`))
	f.Add([]byte(`{"vault":null,"reads":1e99}`))
	f.Fuzz(func(_ *testing.T, text []byte) {
		told := newInbox(bytes.NewReader(text))
		if h, err := told.heading(); err == nil {
			_, _ = told.orders(h)
		}
	})
}
