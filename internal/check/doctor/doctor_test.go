package doctor

import (
	"strings"
	"testing"
	"unicode/utf8"
)

var some = []Line{
	{AreaReferences, "secret/dev/api", Fault, "API_KEY: nothing at secret/dev/api", "vault kv put secret/dev/api key=…; or mind the spelling; for development: vwrap dev"},
	{AreaMachine, "swap", Warning, "on (/dev/sda2): memory, that of the command with its secrets too, may be written there", "swapoff -a"},
	{AreaMachine, "container", OK, "not in one", ""},
	{AreaVault, "WSL", Note, "a \x1b[31mline", ""},
}

func TestText(t *testing.T) {
	t.Parallel()
	for want, style := range map[string]Style{
		`machine
  ! swap: on (/dev/sda2): memory, that of the command with its secrets too, may
    be written there
    → swapoff -a
  ✓ container: not in one
Vault
  · WSL: a [31mline
references
  ✗ secret/dev/api: API_KEY: nothing at secret/dev/api
    → vault kv put secret/dev/api key=…; or mind the spelling; for development:
      vwrap dev
1 fault, 1 warning, 4 looked at
`: {Unicode: true},
		`machine
  !  swap: on (/dev/sda2): memory, that of the command with its secrets too, may
     be written there
     -> swapoff -a
  ok container: not in one
Vault
  -  WSL: a [31mline
references
  x  secret/dev/api: API_KEY: nothing at secret/dev/api
     -> vault kv put secret/dev/api key=…; or mind the spelling; for
        development: vwrap dev
1 fault, 1 warning, 4 looked at
`: {},
	} {
		var b strings.Builder
		if err := Text(&b, style, some); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("it is\n%s", b.String())
		}
		for line := range strings.Lines(b.String()) {
			if utf8.RuneCountInString(line) > 81 {
				t.Errorf("too long: %s", line)
			}
		}
	}
	var b strings.Builder
	if err := Text(&b, Style{Color: true, Unicode: true}, some); err != nil || !strings.Contains(b.String(), "\x1b[31m✗\x1b[0m secret") || strings.Contains(b.String(), "\x1b[31mline") {
		t.Errorf("%v %q", err, b.String())
	}
	for want, lines := range map[string][]Line{"1 warning, no fault, 1 looked at\n": some[1:2], "all is well, 1 looked at\n": some[2:3], "all is well, 0 looked at\n": nil} {
		var b strings.Builder
		if err := Text(&b, Style{}, lines); err != nil || !strings.HasSuffix(b.String(), want) {
			t.Errorf("%v %q", err, b.String())
		}
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := JSON(&b, some[1:3]); err != nil {
		t.Fatal(err)
	}
	const want = `{
  "faults": 0,
  "warnings": 1,
  "lines": [
    {
      "area": "machine",
      "name": "swap",
      "state": "warning",
      "text": "on (/dev/sda2): memory, that of the command with its secrets too, may be written there",
      "mend": "swapoff -a"
    },
    {
      "area": "machine",
      "name": "container",
      "state": "ok",
      "text": "not in one"
    }
  ]
}
`
	if b.String() != want {
		t.Errorf("%s", b.String())
	}
}
