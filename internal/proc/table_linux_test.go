package proc

import "testing"

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("12 (a) b) c) S 1 12 13 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 9999 0 0"))
	f.Add([]byte("12 (a"))
	f.Add([]byte("1 (x) Z 0 0"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if e, ok := parseStat(text); ok && e.pid == 0 && len(text) > 0 && text[0] != '0' && text[0] != '+' && text[0] != '-' {
			t.Errorf("%q: no PID", text)
		}
	})
}
