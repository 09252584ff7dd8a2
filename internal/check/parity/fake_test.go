package parity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vwrap/vwrap/envsource"
)

// fake is a folder of a KV engine: fields as JSON, by secret. "" is a deleted secret.
type fake struct {
	secrets map[string]string
	written time.Time
	denied  string // a method that is denied
	busy    int    // how many requests are answered with "later" first

	mu           sync.Mutex
	now, most    int
	reads, asked int
}

func (f *fake) enter() (leave func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy > 0 {
		f.busy--
		return func() {}, envsource.Later(envsource.Mark(errors.New("busy"), envsource.ErrUnavailable), time.Second)
	}
	f.now++
	f.most = max(f.most, f.now)
	return func() { f.mu.Lock(); defer f.mu.Unlock(); f.now-- }, nil
}

func (f *fake) deny(method string) error {
	if f.denied == method {
		return envsource.Mark(fmt.Errorf("permission denied: lacks %s", method), envsource.ErrDenied)
	}
	return nil
}

func (f *fake) List(_ context.Context, below string) ([]string, error) {
	leave, err := f.enter()
	defer leave()
	if err = errors.Join(err, f.deny("list")); err != nil {
		return nil, err
	}
	if below != "" {
		below += "/"
	}
	var names []string
	for path := range f.secrets {
		if rest, ok := strings.CutPrefix(path, below); ok && rest != "" {
			name, _, folder := strings.Cut(rest, "/")
			if folder {
				name += "/"
			}
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, envsource.Mark(errors.New("nothing below"), envsource.ErrMissing)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func (f *fake) Written(_ context.Context, below string) (time.Time, error) {
	leave, err := f.enter()
	defer leave()
	if err = errors.Join(err, f.deny("written")); err != nil {
		return time.Time{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.secrets[below] == "" {
		return time.Time{}, envsource.Mark(fmt.Errorf("%s: the newest version is deleted", below), envsource.ErrMissing)
	}
	return f.written, nil
}

func (f *fake) Read(_ context.Context, below string) (fields map[string]json.RawMessage, _ time.Time, err error) {
	leave, err := f.enter()
	defer leave()
	if err = errors.Join(err, f.deny("read")); err != nil {
		return nil, time.Time{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	text := f.secrets[below]
	if text == "" {
		return nil, time.Time{}, envsource.Mark(fmt.Errorf("%s: version 1 is deleted", below), envsource.ErrMissing)
	}
	return fields, f.written, json.Unmarshal([]byte(text), &fields)
}

// there is a tree of secrets that were written an hour ago.
func there(t testing.TB, secrets map[string]string) Tree {
	t.Helper()
	tree, err := List(t.Context(), &fake{secrets: secrets, written: time.Now().Add(-time.Hour)}, "secret/dev")
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func manifest(t testing.TB, text string) Manifest {
	t.Helper()
	m, err := ParseManifest([]byte(text), "ci/keys.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return m
}
