package spell

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"address", "env", "from", "on-rotate", "stop-grace"}
	for word, want := range map[string]string{
		"adress": "address", "on-rotat": "on-rotate", "form": "from", "stop_grace": "stop-grace", "verbose": "", "": "", "version": "", "e": "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
