package host

import (
	"fmt"
	"os"

	"github.com/vwrap/vwrap/internal/devserver/imports"
	"github.com/vwrap/vwrap/internal/devserver/seed"
)

// Import says which dotenv file is put into KV, and to which path.
type Import struct {
	File string `json:"file"`
	Path string `json:"path"`
}

// Read reads the file. Who does that has its values.
func (i Import) Read() (f imports.File, text []byte, err error) {
	if text, err = os.ReadFile(i.File); err != nil {
		return f, nil, fmt.Errorf("--from-env: %w", err)
	}
	if f, err = imports.Read(text, i.Path, nil); err != nil {
		return f, nil, fmt.Errorf("--from-env %s: %w", i.File, err)
	}
	return f, text, nil
}

// into adds what the file has to p.
func (i Import) into(p seed.Plan) (seed.Plan, error) {
	f, _, err := i.Read()
	if err != nil {
		return p, err
	}
	return p.WithKV(i.Path, f.Fields()), nil
}
