package export

import (
	"crypto/rand"
	"strings"
	"unicode/utf8"
)

// GitHub writes for a step of GitHub Actions: the workflow commands that mask secrets in the log, for standard output,
// and what is to be appended to the file of GITHUB_ENV.
func GitHub(variables map[string]string, secrets []string) (masks, env string, err error) {
	env, err = lines(variables, func(name, value string) (string, error) {
		switch {
		case !dotted().MatchString(name):
			return "", badName("letters, digits, _, . and -")
		case !utf8.ValidString(value):
			return "", notText("GITHUB_ENV")
		}
		end := delimiter(value)
		return name + "<<" + end + "\n" + value + "\n" + end + "\n", nil
	})
	if err != nil || env == "" {
		return "", "", err
	}
	// What others wrote to the file may lack its end; the runner passes empty lines over.
	return mask(secrets), "\n" + env, nil
}

// delimiter is a line that ends value and does not occur in it. It is random: who writes a value cannot end it early.
func delimiter(value string) string {
	for {
		if end := "vwrap_" + rand.Text(); !strings.Contains(value, end) {
			return end
		}
	}
}

// mask is a command for each line of each secret: the log is masked by the line. Spaces around one are no secret, and
// the runner can mask nothing else than the rest.
func mask(secrets []string) string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, secret := range secrets {
		for _, line := range strings.FieldsFunc(secret, func(c rune) bool { return c == '\n' || c == '\r' }) {
			if line = strings.TrimSpace(line); line != "" && !seen[line] {
				seen[line] = true
				b.WriteString("::add-mask::" + escape.Replace(line) + "\n")
			}
		}
	}
	return b.String()
}

// escape writes the data of a workflow command.
var escape = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
