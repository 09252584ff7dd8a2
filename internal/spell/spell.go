// Package spell guesses what a mistyped word was meant to be.
package spell

// Nearest returns the word of known that s was most likely meant to be, or "" where none is near enough.
func Nearest(s string, known []string) string {
	best, least := "", 1+min(max(1, len(s)/2), 3)
	for _, k := range known {
		if n := distance(s, k); n < least {
			best, least = k, n
		}
	}
	return best
}

// distance is the Levenshtein distance of a and b, in bytes. A long a is near to nothing.
func distance(a, b string) int {
	if len(a) > 64 {
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			row[j+1] = min(above+1, row[j]+1, substitute)
			diagonal = above
		}
	}
	return row[len(b)]
}
