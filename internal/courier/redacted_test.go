package courier

import (
	"fmt"
	"strings"
	"testing"
)

func TestReadiedIsHidden(t *testing.T) {
	t.Parallel()
	r := readied{environ: []string{"KEY=hush"}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		for _, value := range []any{r, &r, []any{r}} {
			if said := fmt.Sprintf(verb, value); strings.Contains(said, "hush") || strings.Contains(said, "68757368") || !strings.Contains(said, "[redacted]") {
				t.Errorf("%s prints %s", verb, said)
			}
		}
	}
}
