package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vwrap/vwrap/envsource"
)

// A secret has so many fields, and no more; a list has more names than that.
func TestManyFields(t *testing.T) {
	t.Parallel()
	secret := func(n int) string {
		fields := make([]string, n)
		for i := range fields {
			fields[i] = fmt.Sprintf(`"a:%d, {": "\"hush"`, i)
		}
		return `{"data":{` + strings.Join(fields, ",") + `}}`
	}
	list := func(n int) string { return `{"data":{"keys":["a"` + strings.Repeat(`,"a"`, n-1) + `]}}` }
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
	defer server.Close()
	c, err := NewClient(Config{Address: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	source := &Source{client: c}
	kv := &KV{source, envsource.Read{Mount: "kv/", Kind: envsource.KindKV1}}
	for name, test := range map[string]struct {
		body string
		list bool
		want string // "" is none
	}{
		"as many as may be": {secret(mostFields), false, ""},
		"one more":          {secret(mostFields + 1), false, "kv/a: the answer has more than 10000 fields, and vwrap takes no more"},
		"a long list":       {list(100_001), true, ""},
		"a longer one":      {list(mostListed), true, "kv: the answer has more than 1000000 values, and vwrap takes no more"},
		"no list":           {list(100_001), false, "kv/a: the answer has more than 100000 values, and vwrap takes no more"},
	} {
		body = test.body
		var err error
		if test.list {
			_, err = kv.List(t.Context(), "")
		} else {
			_, _, err = kv.Read(t.Context(), "a")
		}
		if got := fmt.Sprint(err); got != test.want && (err != nil || test.want != "") {
			t.Errorf("%s: got %s, want %q", name, got, test.want)
		}
	}
}

// What is counted is what is there, however the text is cut into pieces; text that is no JSON is counted to an end.
func FuzzCounted(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,"2",{"b":null}],"c":"\\\"{,:"}`, `[[[],[]]]`, `}}]`, `{"a`, `"\`} {
		f.Add([]byte(seed), 3)
	}
	f.Fuzz(func(t *testing.T, text []byte, piece int) {
		c := &counted{ReadCloser: io.NopCloser(bytes.NewReader(text)), most: len(text) + 1}
		buffer := make([]byte, 1+uint(piece)%1024)
		var err error
		for err == nil {
			_, err = c.Read(buffer)
		}
		if !errors.Is(err, io.EOF) {
			if len(text) < mostFields {
				t.Fatal(err)
			}
			return
		}
		if want := valuesIn(text); json.Valid(text) && c.values != want {
			t.Fatalf("%q: %d are counted, there are %d", text, c.values, want)
		}
	})
}

// valuesIn counts by encoding/json: what is in an object or a list but the first, and these themselves.
func valuesIn(text []byte) (n int) {
	type open struct{ object, key, more bool }
	var all []open
	d := json.NewDecoder(bytes.NewReader(text))
	for {
		token, err := d.Token()
		if err != nil {
			return n
		}
		if token == json.Delim('}') || token == json.Delim(']') {
			all = all[:len(all)-1]
			continue
		}
		if len(all) > 0 {
			in := &all[len(all)-1]
			if in.object {
				in.key = !in.key
			}
			if !in.object || in.key {
				if in.more {
					n++
				}
				in.more = true
			}
		}
		if delim, ok := token.(json.Delim); ok {
			n++
			all = append(all, open{object: delim == '{'})
		}
	}
}
