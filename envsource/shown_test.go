package envsource

import "testing"

func TestShown(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                          "",
		"plain, größer, 漢字, 😀":      "plain, größer, 漢字, 😀",
		"a\x1b[31mb\x07":            `a\x1b[31mb\a`,
		"a\nvwrap: all is well\r\t": `a\nvwrap: all is well\r\t`,
		"\u009b\u202egnp.exe\u2066": `\u009b\u202egnp.exe\u2066`,
		"\xff\xfe":                  "\ufffd\ufffd",
	} {
		if got := Shown(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
}
