package manual_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/vwrap/vwrap/internal/manual"
)

var page = manual.Page{
	Name: "tool", Synopsis: "tool [flags] -- CMD", About: "What it is for, in\ntwo lines.\n\n  tool -- 'a \\ b'\n\n.It isn't a request.",
	Commands: []manual.Entry{{Name: "do", Text: "does it, and says in so many words what it has done that the line has to be broken"}},
	Groups:   []manual.Group{{Title: "Flags", Flags: []manual.Entry{{Name: "  -e, --env NAME=VALUE", Text: "set it"}, {Name: "      --a-rather-long-name VALUE", Text: "below"}}}},
	Examples: []manual.Entry{{Name: `tool -- "x"`, Text: "Once more…"}},
}

func TestText(t *testing.T) {
	t.Parallel()
	const want = `Usage: tool [flags] -- CMD

What it is for, in
two lines.

  tool -- 'a \ b'

.It isn't a request.

Commands:
  do  does it, and says in so many words what it has done that the line has to
      be broken

Flags:
  -e, --env NAME=VALUE      set it
      --a-rather-long-name VALUE
                            below

Examples:
  Once more…
      tool -- "x"
`
	if got := page.Text(); got != want {
		t.Errorf("the help is\n%s\nwant\n%s", got, want)
	}
}

// TestRoff has groff read the page: it warns of nothing, and shows what was meant.
func TestRoff(t *testing.T) {
	t.Parallel()
	inner := page
	inner.Name = "tool do"
	groff := exec.Command("groff", "-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=78n")
	groff.Stdin = strings.NewReader(manual.Roff("1.0", "do things", page, []manual.Page{inner}, []manual.Section{{Title: "Files", Entries: []manual.Entry{{Name: "~/.tool", Text: "it's"}}}}))
	var warned strings.Builder
	groff.Stderr = &warned
	shown, err := groff.Output()
	if err != nil || warned.Len() > 0 {
		t.Fatalf("groff: %v\n%s", err, warned.String())
	}
	for _, want := range []string{
		"tool - do things\n", "tool [flags] -- CMD\n", "           tool -- 'a \\ b'\n", ".It isn't a request.\n", "       -e, --env NAME=VALUE\n              set it\n",
		"   tool do\n", "       Once more…:\n", "           tool -- \"x\"\n", "       ~/.tool\n              it's\n",
	} {
		if !strings.Contains(string(shown), want) {
			t.Errorf("the page lacks %q:\n%s", want, shown)
		}
	}
}
