package leaks

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/vwrap/vwrap/internal/forms"
)

// silent fails where a value is told.
func silent(t *testing.T, what any) {
	t.Helper()
	text := fmt.Sprint(what)
	for _, s := range secrets {
		for _, f := range forms.Of(s.Value) {
			if strings.Contains(text, f.Text) {
				t.Errorf("the value of %s is told: %s", s.Name, text)
			}
		}
	}
}

// Whatever git writes is read to its end or refused, and each object that is whole is looked at.
func FuzzUnpacked(f *testing.F) {
	for _, stream := range []string{
		"1 blob 3\nabc\n", "1 blob 16\n" + apiKey + "\n2 missing\n", "1 commit 16\n" + dbPassword + "\n\n", "1 blob -1\n\n", "1 blob 99999999999999999999\n",
		"1 blob 9223372036854775807\nabc", "1 tree 4\n\x00\x01\n\n\n", "", "\n\n\n", apiKey + " blob x\n",
	} {
		f.Add([]byte(stream), apiKey)
	}
	f.Fuzz(func(t *testing.T, stream []byte, path string) {
		l := newLook(Options{Secrets: secrets})
		err := l.unpacked(bufio.NewReader(bytes.NewReader(stream)), objectsOf(path, 3))
		silent(t, err)
		silent(t, l.report())

		whole := fmt.Sprintf("1 blob %d\n%s\n2 blob %d\n%s\n", len(stream), stream, len(apiKey), apiKey)
		l = newLook(Options{Secrets: secrets})
		if err := l.unpacked(bufio.NewReader(strings.NewReader(whole)), objectsOf(path, 2)); err != nil {
			t.Fatal(err)
		}
		if last := l.found[len(l.found)-1]; last.Subject != "API_KEY" || last.Line != 1 || last.Column != 1 {
			t.Errorf("the second object is told as %+v", last)
		}
	})
}

func objectsOf(path string, n int) <-chan object {
	asked := make(chan object, n)
	for range n {
		asked <- object{id: "1", commit: "0123456789abcdef", path: path}
	}
	close(asked)
	return asked
}

// Whatever docker inspect answers is looked through or refused.
func FuzzInspected(f *testing.F) {
	for _, text := range []string{
		`[{"Name": "/web", "Config": {"Env": ["KEY=` + apiKey + `"], "Labels": {"` + apiKey + `": null}}}]`, `[{"Name": 1}]`, `[[]]`, `[null]`, `{}`, `[{"": [[{"": ""}]]}]`, `[`, "",
		`[{"Name": "/` + apiKey + `", "Args": ["` + strings.Repeat("x", 100) + `"]}]`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l := newLook(Options{Secrets: secrets})
		err := l.inspected(text)
		silent(t, err)
		silent(t, l.report())
		if err != nil && l.counts.containers > 0 {
			t.Errorf("%d containers, and %v", l.counts.containers, err)
		}
	})
}
