package parity

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/vwrap/vwrap/envsource"
)

func TestAgainst(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		here, there map[string]string
		values      bool
		want        string
	}{
		"same names":            {map[string]string{"a": `{"v":1}`}, map[string]string{"a": `{"v":2}`}, false, ""},
		"same values":           {map[string]string{"a": `{"v":{"x":1,"y":2}}`}, map[string]string{"a": `{"v":{"x":1,"y":2}}`}, true, ""},
		"other values":          {map[string]string{"a": `{"v":"` + hush + `1","w":1}`}, map[string]string{"a": `{"v":"` + hush + `2","w":1}`}, true, "differs a#v"},
		"a text is no number":   {map[string]string{"a": `{"v":"1"}`}, map[string]string{"a": `{"v":1}`}, true, "differs a#v"},
		"names":                 {map[string]string{"a": `{}`, "c": `{}`}, map[string]string{"b": `{}`, "c": `{}`}, true, "extra a, missing b"},
		"spelling matters":      {map[string]string{"a-b": `{}`}, map[string]string{"A_B": `{}`}, false, "missing A_B, extra a-b"},
		"fields":                {map[string]string{"a": `{"v":1,"w":1}`}, map[string]string{"a": `{"w":1,"x":1}`}, true, "extra a#v, missing a#x"},
		"nothing here":          {nil, map[string]string{"a": `{}`}, false, "missing a"},
		"nothing":               {nil, nil, true, ""},
		"deleted there":         {map[string]string{"a": `{}`}, map[string]string{"a": ""}, true, "extra a"},
		"deleted in both":       {map[string]string{"a": ""}, map[string]string{"a": ""}, true, ""},
		"secrets":               {map[string]string{"": `{"a":1}`}, map[string]string{"": `{"a":2,"b":1}`}, false, "missing b"},
		"values of secrets":     {map[string]string{"": `{"a":1,"c":1}`}, map[string]string{"": `{"a":2,"b":1,"c":1}`}, true, "differs a, missing b"},
		"a secret and a folder": {map[string]string{"": `{"a":1}`}, map[string]string{"a": `{"a":1}`}, true, "extra # (the fields of the path itself), missing a"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				other := there(t, tt.there)
				other.Label = "https://ci/secret/dev"
				r, err := Against(t.Context(), there(t, tt.here), other, tt.values)
				if got := drift(r); got != tt.want || err != nil {
					t.Errorf("%s, %v; want %s\n%s", got, err, tt.want, r.Diff)
				}
				if strings.Contains(fmt.Sprint(r), "hush") {
					t.Errorf("a value in %v", r)
				}
			})
		})
	}
}

func TestAgainstFormats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		other := there(t, map[string]string{"api": `{"key":"` + hush + `1"}`, "db": `{"password":"` + hush + `","user":"` + hush + `"}`, "old": `{"v":"` + hush + `"}`})
		other.Label = "https://vault.ci.example/secret/dev"
		r, err := Against(t.Context(), there(t, map[string]string{"api": `{"key":"` + hush + `2"}`, "db": `{"password":"` + hush + `"}`, "new": `{"v":"` + hush + `"}`}), other, true)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "against", r)
	})
}

func TestAgainstDenied(t *testing.T) {
	t.Parallel()
	tree := there(t, map[string]string{"a": `{}`})
	other, err := List(t.Context(), &fake{secrets: map[string]string{"a": `{}`}, denied: "read"}, "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Against(t.Context(), tree, other, true); !errors.Is(err, envsource.ErrDenied) || !strings.HasPrefix(err.Error(), "x: ") {
		t.Errorf("%v", err)
	}
}
