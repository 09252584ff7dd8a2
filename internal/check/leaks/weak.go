package leaks

import (
	"strings"

	"github.com/vwrap/vwrap/internal/forms"
)

// shortestValue is what a value needs to be looked for: less stands anywhere by chance.
const shortestValue = 8

// weak says why a value is not looked for, or "".
func weak(value string) string {
	switch {
	case len(value) < shortestValue:
		return "its value is shorter than 8 bytes"
	case strings.Trim(value, "0123456789.,+-") == "":
		return "its value is a number"
	case forms.Common(value):
		return "its value is a common word"
	}
	return ""
}
