// Package pattern has regular expressions that are compiled when they are first used. Compiled in a package's variables they would cost
// each start of vwrap, and of each courier, though few of them use any.
package pattern

import (
	"regexp"
	"sync"
)

// Of is a regular expression; text has to be one (regexp/syntax).
func Of(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}
