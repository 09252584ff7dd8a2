package secret_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"go.yaml.in/yaml/v3"

	"github.com/vwrap/vwrap/envsource/secret"
)

// holder is what secrets are kept in.
type holder struct {
	Name   string
	Token  secret.Text
	Parent *holder
	Many   []secret.Text
	ByName map[string]secret.Text
	hidden secret.Text
}

// However a secret is printed, alone or in what holds it, it is not seen.
func TestNothingIsSeen(t *testing.T) {
	t.Parallel()
	hush := secret.New("hush-1")
	h := holder{"name", hush, &holder{Token: hush}, []secret.Text{hush}, map[string]secret.Text{"a": hush}, hush}
	var b bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t", "%U", "%c", "%o", "%b", "%e", "%20s", "%.2s", "%p", "%T", "%w"} {
		for _, value := range []any{hush, &hush, h, &h, []any{hush, h}, map[string]any{"a": hush, "b": h}, errors.Join(fmt.Errorf("x: %v", hush))} {
			fmt.Fprintf(&b, verb+"\n", value)
		}
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
		slog.New(handler).Info("x", "token", hush, "holder", h, "pointer", &h, "any", slog.AnyValue(hush))
	}
	if err := errors.Join(json.NewEncoder(&b).Encode(h), yaml.NewEncoder(&b).Encode(h), xml.NewEncoder(&b).Encode(hush),
		template.Must(template.New("x").Parse("{{.Token}} {{printf \"%q\" .Token}} {{.}}")).Execute(&b, h)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&b, hush, h)
	fmt.Fprint(&b, fmt.Sprint(hush)+hush.String()+hush.GoString())
	said := b.String()
	for _, form := range []string{"hush", "687573682d31", "687573682D31", "68 75 73", "aHVzaC0x"} {
		if strings.Contains(said, form) {
			t.Errorf("%q is seen in\n%s", form, said)
		}
	}
	if strings.Count(said, "[redacted]") < 100 {
		t.Errorf("it is not said that something is left out:\n%s", said)
	}
}

func TestReveal(t *testing.T) {
	t.Parallel()
	if a := secret.New("a"); a.Reveal() != "a" || a.None() || a != secret.New("a") || a == secret.New("b") || !secret.New("").None() || !(secret.Text{}).None() {
		t.Error("a secret is not its text")
	}
}
