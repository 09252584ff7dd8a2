package parity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vwrap/vwrap/envsource"
)

const (
	atOnce   = 16        // requests under way
	mostKeys = 1_000_000 // with folders: whoever has more has no end
	tries    = 5         // where the server asks for patience
)

// Vault is a path of a KV engine. Names are below it; "" is the path itself. Errors wrap envsource.ErrMissing where nothing is
// there (List: nothing below; else no secret, or a deleted one) and envsource.ErrDenied, and name path and policy.
type Vault interface {
	List(ctx context.Context, below string) ([]string, error) // folders end in a slash
	Written(ctx context.Context, below string) (time.Time, error)
	Read(ctx context.Context, below string) (map[string]json.RawMessage, time.Time, error)
}

// Tree is which keys are there.
type Tree struct {
	// Label is what reports call it; the path, where it is not set to something else.
	Label string

	vault     Vault
	path      string
	names     []string // sorted: of secrets, or of the fields of the one secret
	one       bool     // the path is one secret, and nothing is below it
	variables bool     // they are variables, not secrets
}

// List finds out what is below path, which is v's. Where nothing is, and path is a secret, its fields are the keys. No more
// than 16 requests are under way at a time.
func List(ctx context.Context, v Vault, path string) (Tree, error) {
	t := Tree{Label: path, vault: v, path: path}
	var err error
	if t.names, err = walk(ctx, v); err != nil || len(t.names) > 0 {
		return t, err
	}
	fields, _, err := read(ctx, v, "")
	if errors.Is(err, envsource.ErrMissing) {
		return t, nil
	}
	t.names, t.one = slices.Sorted(maps.Keys(fields)), true
	return t, err
}

// Variables is a tree of variables: label says where they are set. Values are for manifests that say something of them
// (Manifest.NeedsValues); else they may be empty.
func Variables(label string, values map[string]string) Tree {
	return Tree{Label: label, vault: environment(values), path: label, names: slices.Sorted(maps.Keys(values)), variables: true}
}

// environment has variables for secrets of one field.
type environment map[string]string

// List implements Vault.
func (e environment) List(context.Context, string) ([]string, error) {
	return slices.Collect(maps.Keys(e)), nil
}

// Written implements Vault: nobody knows.
func (e environment) Written(context.Context, string) (time.Time, error) { return time.Time{}, nil }

// Read implements Vault.
func (e environment) Read(_ context.Context, name string) (map[string]json.RawMessage, time.Time, error) {
	value, ok := e[name]
	if !ok {
		return nil, time.Time{}, envsource.Mark(fmt.Errorf("no variable %s", shown(name)), envsource.ErrMissing)
	}
	text, _ := json.Marshal(value) // a string always encodes
	return map[string]json.RawMessage{"value": text}, time.Time{}, nil
}

// walk lists v, a level of folders after the other.
func walk(ctx context.Context, v Vault) (names []string, err error) {
	var mu sync.Mutex
	folders := []string{""}
	seen := 0
	for len(folders) > 0 && err == nil {
		level := folders
		folders = nil
		err = each(ctx, len(level), func(ctx context.Context, i int) error {
			found, err := list(ctx, v, strings.TrimSuffix(level[i], "/"))
			mu.Lock()
			defer mu.Unlock()
			for _, name := range found {
				if name = level[i] + name; strings.HasSuffix(name, "/") {
					folders = append(folders, name)
				} else {
					names = append(names, name)
				}
			}
			if seen += len(found); seen > mostKeys {
				return fmt.Errorf("more than %d keys: check a path with fewer below it", mostKeys)
			}
			return err
		})
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// each calls f for the numbers below n, some at a time, until one fails; the first error is returned.
func each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var workers sync.WaitGroup
	next := make(chan int)
	for range min(n, atOnce) {
		workers.Go(func() {
			for i := range next {
				if err := f(ctx, i); err != nil {
					cancel(err)
				}
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}

// list is v.List with patience; nothing below is no error.
func list(ctx context.Context, v Vault, below string) (names []string, err error) {
	err = patiently(ctx, func() (err error) {
		names, err = v.List(ctx, below)
		return err
	})
	if errors.Is(err, envsource.ErrMissing) {
		return nil, nil
	}
	return names, err
}

// read is v.Read with patience.
func read(ctx context.Context, v Vault, below string) (fields map[string]json.RawMessage, written time.Time, err error) {
	err = patiently(ctx, func() (err error) {
		fields, written, err = v.Read(ctx, below)
		return err
	})
	return fields, written, err
}

// patiently asks again where the server says when to: a quota of requests is no reason to give up.
func patiently(ctx context.Context, ask func() error) error {
	for try := 1; ; try++ {
		err := ask()
		wait := envsource.Wait(err)
		if wait == 0 || try == tries {
			return err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
