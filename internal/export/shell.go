package export

import "strings"

// Shell writes assignments for sh, bash, dash, zsh and fish to evaluate.
func Shell(variables map[string]string) (string, error) {
	return lines(variables, func(name, value string) (string, error) {
		if !identifier().MatchString(name) {
			return "", badName("letters, digits and _")
		}
		quoted := quote(value)
		line := "export " + name + "=" + quoted + "\n"
		if strings.Contains(value, "\n") { // fish's export loses it; what is one backslash between quotes is fish
			line = `test '\\' = \\ && set -gx ` + name + " " + quoted + " || " + line
		}
		return line, nil
	})
}

// quote writes value for a shell. Between single quotes a backslash is one in POSIX's shells and an escape in fish,
// so backslashes stand outside, as single quotes have to.
func quote(value string) string {
	return "'" + strings.NewReplacer(`\`, `'\\'`, "'", `'\''`).Replace(value) + "'"
}
