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
	"github.com/vwrap/vwrap/envsource/vault"
	"github.com/vwrap/vwrap/internal/wire"
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
func carried(f *testing.F) (o Orders, carry []byte) {
	f.Helper()
	dir := f.TempDir()
	if err := os.WriteFile(dir+"/a", []byte("hush"), 0o600); err != nil {
		f.Fatal(err)
	}
	o = Orders{
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
	o.Carry = true
	if carry = written(f, result.Carry); !bytes.Contains(carry, []byte("hush")) {
		f.Fatal("the value is not carried")
	}
	return o, carry
}

// written is v as one of vwrap's processes writes it to another.
func written(t testing.TB, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := wire.Write(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// writtenOrders are o as a courier gets them.
func writtenOrders(t testing.TB, o Orders) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := o.encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Whatever the orders are, and whatever the last generation has left, a courier ends in a report; the report has no value, and what the
// next one needs is sealed where there is nothing wrong.
func FuzzErrand(f *testing.F) {
	whole, wholeCarry := carried(f)
	wholeOrders := writtenOrders(f, whole)
	for _, errand := range []Errand{Launch, Refresh, Probe} {
		o := whole
		o.Errand = errand
		f.Add(writtenOrders(f, o), wholeCarry)
	}
	for _, broken := range [][]byte{
		nil,
		{0},
		written(f, envsource.Carry{}), wholeCarry[:len(wholeCarry)/2],
		written(f, envsource.Carry{Located: map[string]string{"": "x"}, Answers: map[string]envsource.Kept{"x": {}}}),
		written(f, envsource.Carry{Answers: map[string]envsource.Kept{"": {Fields: map[string]json.RawMessage{"a": []byte(`"hush"`)}}}}),
	} {
		f.Add(wholeOrders, broken)
		f.Add(broken, wholeCarry)
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
		if twice, err := ordersOf(writtenOrders(t, o)); err != nil || twice.Token != o.Token || len(twice.Argv) != len(o.Argv) {
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
		inOrders, isValue := bytes.Contains(orders, []byte("hush")), bytes.Count(carry, []byte("hush")) == bytes.Count(carry, []byte("\x05value\x06\"hush\""))
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
	heading := written(f, Heading{Vault: vault.Config{Address: "http://127.0.0.1:8200"}, Reads: 3})
	f.Add(append(heading, writtenOrders(f, Orders{Token: secret.New("t0ken")})...))
	f.Add(append(written(f, Heading{Reads: -1}), 1, 2, 3, 4))
	f.Add(heading[:len(heading)/2])
	f.Fuzz(func(_ *testing.T, text []byte) {
		told := newInbox(bytes.NewReader(text))
		if h, err := told.heading(); err == nil {
			_, _ = told.orders(h)
		}
	})
}
