package envsource

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// What holds values is shown by no verb and in no log, alone or within something else.
func TestNoValueIsShown(t *testing.T) {
	t.Parallel()
	fields := map[string]json.RawMessage{"key": json.RawMessage(`"hush"`)}
	kept := Kept{Fields: fields}
	carry := Carry{Answers: map[string]Kept{"a": kept}}
	in := Input{Inherited: []string{"A=hush"}, Vars: []Var{{Name: "A", Text: "hush"}}}
	var b bytes.Buffer
	for _, value := range []any{Answer{Fields: fields}, kept, carry, Result{Carry: carry, Environ: []string{"A=hush"}, Injected: map[string]string{"A": "hush"}}, in} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
			fmt.Fprintf(&b, verb+verb+verb+"\n", value, &value, []any{value, struct{ Any any }{value}})
		}
		for _, handler := range []slog.Handler{slog.NewTextHandler(&b, nil), slog.NewJSONHandler(&b, nil)} {
			slog.New(handler).Info("x", "value", value)
		}
		fmt.Fprintln(&b, fmt.Errorf("x: %v", value))
	}
	if said := b.String(); strings.Contains(said, "hush") || strings.Contains(said, "68757368") || strings.Count(said, "[redacted]") < 100 {
		t.Errorf("it is shown:\n%s", said)
	}
}
