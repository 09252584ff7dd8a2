// Package guess tells secrets from other variables, by their names and by what their values look like. A guess is for somebody who looks
// at it: nothing is kept from anyone because of one.
package guess

import (
	"slices"
	"strings"

	"github.com/vwrap/vwrap/internal/pattern"
)

var (
	// secretWords end the names of secrets, also where a word is written onto another: PGPASSWORD.
	secretWords = []string{"PASSWORD", "PASSWD", "PASSPHRASE", "PASS", "PGPASS", "DBPASS", "PWD", "SECRET", "SECRETS", "TOKEN", "APIKEY", "KEY", "CREDENTIAL", "CREDENTIALS", "DSN", "SALT", "PEPPER"}
	glued       = []string{"PASSWORD", "SECRET", "TOKEN", "APIKEY"}
	// afterSecret may follow such a word: SECRET_KEY_BASE, API_TOKEN_2.
	afterSecret = []string{"BASE", "BASE64", "B64", "HEX", "VALUE", "OLD", "NEW", "CURRENT", "PREVIOUS", "PRIMARY", "SECONDARY", "DEV", "TEST", "LOCAL", "PROD", "1", "2", "3"}
	// open are parts of names whose values end up in everybody's browser.
	open = []string{"PUBLIC", "PUBLISHABLE", "VITE"}

	word         = pattern.Of(`[A-Z0-9]+`)
	withPassword = pattern.Of(`^(?:[A-Za-z][A-Za-z0-9+.-]*://)?[^:@/\s]*:[^@/\s]+@`)                                                                   // postgres://app:tiger@localhost, app:tiger@tcp(localhost)
	issued       = pattern.Of(`^(?:gh[pousr]_|github_pat_|glpat-|sk_live_|sk_test_|sk-|xox[abpr]-|AKIA|ASIA|hv[sbr]\.|-----BEGIN [A-Z ]*PRIVATE KEY)`) // what is known by its beginning
)

// Secret guesses whether a variable is a secret. What is a reference to one is.
func Secret(name, value string) bool {
	if strings.HasPrefix(value, "vault:") || strings.Contains(value, "${vault:") || withPassword().MatchString(value) || issued().MatchString(value) {
		return true
	}
	words := word().FindAllString(strings.ToUpper(name), -1)
	if slices.ContainsFunc(words, func(w string) bool { return slices.Contains(open, w) }) || strings.HasPrefix(name, "REACT_APP_") {
		return false
	}
	for len(words) > 1 && slices.Contains(afterSecret, words[len(words)-1]) {
		words = words[:len(words)-1]
	}
	if len(words) == 0 {
		return false
	}
	last := words[len(words)-1]
	return name == "AWS_ACCESS_KEY_ID" || strings.HasSuffix(name, "SECRET_ID") || slices.Contains(secretWords, last) ||
		slices.ContainsFunc(glued, func(w string) bool { return strings.HasSuffix(last, w) })
}
