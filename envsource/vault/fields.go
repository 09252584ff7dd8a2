package vault

import (
	"io"
	"net/http"
	"strconv"
)

// What an answer may have in it, beside bytes: each field costs a hundred times its own bytes by the time it is decoded.
const (
	mostFields = 10_000    // of one object: those of a secret
	mostValues = 100_000   // in all
	mostListed = 1_000_000 // in all of a list, whose names are values
	mostDepth  = 10_000    // encoding/json's, which refuses what is deeper
)

// tooMany is an answer that has more.
type tooMany struct{ what string }

func (e tooMany) Error() string { return "the answer has more than " + e.what }

// counted is a body that is an error after so many fields or values. It looks at the text as it comes, before anything is made of it.
type counted struct {
	io.ReadCloser
	most int // values

	values  int
	fields  []int // of each object or list that is open
	quoted  bool
	escaped bool
	over    error
}

// count has the body of an answer to r counted.
func count(r *http.Request, body io.ReadCloser) io.ReadCloser {
	c := &counted{ReadCloser: body, most: mostValues}
	if r.Method == "LIST" || r.URL.Query().Get("list") == "true" {
		c.most = mostListed
	}
	return c
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	if c.over != nil {
		return 0, c.over
	}
	n, err := c.ReadCloser.Read(p)
	for _, b := range p[:n] {
		if c.over = c.take(b); c.over != nil {
			return 0, c.over
		}
	}
	return n, err
}

// take counts a value for each comma, and for each bracket that opens; a field for each colon.
func (c *counted) take(b byte) error {
	switch {
	case c.escaped:
		c.escaped = false
	case c.quoted && b == '\\':
		c.escaped = true
	case b == '"':
		c.quoted = !c.quoted
	case c.quoted || len(c.fields) > mostDepth: // which is refused
	case b == '{' || b == '[':
		c.fields = append(c.fields, 0)
		return c.another()
	case b == '}' || b == ']':
		c.fields = c.fields[:max(len(c.fields)-1, 0)]
	case b == ',':
		return c.another()
	case b == ':' && len(c.fields) > 0:
		if c.fields[len(c.fields)-1]++; c.fields[len(c.fields)-1] > mostFields {
			return tooMany{strconv.Itoa(mostFields) + " fields"}
		}
	}
	return nil
}

func (c *counted) another() error {
	if c.values++; c.values > c.most {
		return tooMany{strconv.Itoa(c.most) + " values"}
	}
	return nil
}
