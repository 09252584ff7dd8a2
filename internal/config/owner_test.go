package config

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Which files are taken where they are found, by who may have put them there. Those of others need root to be made.
func TestOurs(t *testing.T) {
	base := t.TempDir()
	for name, c := range map[string]struct {
		folder, file os.FileMode
		owners       [2]int // of the folder and the file; -1 is this user
		sudo         string
		want         string // in the refusal; "" for none
	}{
		"own":                             {0o755, 0o644, [2]int{-1, -1}, "", ""},
		"own, of a group":                 {0o775, 0o664, [2]int{-1, -1}, "", ""},
		"a folder that all write":         {0o777, 0o644, [2]int{-1, -1}, "", "every user can write its folder: chmod o-w "},
		"own, in a folder like /tmp":      {0o777 | os.ModeSticky, 0o644, [2]int{-1, -1}, "", ""},
		"a file that all write":           {0o755, 0o666, [2]int{-1, -1}, "", "every user can write it: chmod o-w "},
		"another's":                       {0o755, 0o644, [2]int{1234, 1234}, "", "its folder belongs to another user (uid 1234)"},
		"another's, in own folder":        {0o755, 0o644, [2]int{-1, 1234}, "", "it belongs to another user (uid 1234)"},
		"another's, in one like /tmp":     {0o777 | os.ModeSticky, 0o644, [2]int{-1, 1234}, "", "it belongs to another user (uid 1234)"},
		"of who became root":              {0o755, 0o644, [2]int{1234, 1234}, "1234", ""},
		"of another than who became root": {0o755, 0o644, [2]int{1234, 1234}, "1235", "belongs to another user"},
	} {
		if c.owners != [2]int{-1, -1} && os.Geteuid() != 0 {
			continue // e2e has them, as root
		}
		t.Run(name, func(t *testing.T) {
			t.Setenv("SUDO_UID", c.sudo)
			dir := filepath.Join(base, strconv.Itoa(len(name))+strings.ReplaceAll(name, "/", " "))
			file := filepath.Join(dir, Name)
			err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(file, nil, 0o644), os.Chown(dir, c.owners[0], -1), os.Chown(file, c.owners[1], -1),
				os.Chmod(file, c.file), os.Chmod(dir, c.folder))
			if err != nil {
				t.Fatal(err)
			}
			err = ours(file)
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (!errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "--config "+file)):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A link is its owner's choice, whatever it leads to.
func TestOursByLink(t *testing.T) {
	for name, c := range map[string]struct {
		link, file int // owners; -1 is this user
		mode       os.FileMode
		want       string
	}{
		"own":               {-1, -1, 0o644, ""},
		"to what all write": {-1, -1, 0o666, "every user can write it"},
		"another's":         {1234, -1, 0o644, "it belongs to another user (uid 1234)"},
		"to another's":      {-1, 1234, 0o644, "it belongs to another user (uid 1234)"},
	} {
		if (c.link != -1 || c.file != -1) && os.Geteuid() != 0 {
			continue // e2e has them, as root
		}
		dir := t.TempDir()
		target, file := filepath.Join(dir, "target"), filepath.Join(dir, "sticky", Name)
		err := errors.Join(os.WriteFile(target, nil, 0o644), os.Chmod(target, c.mode), os.Chown(target, c.file, -1),
			os.Mkdir(filepath.Dir(file), 0o755), os.Chmod(filepath.Dir(file), 0o777|os.ModeSticky), os.Symlink(target, file), os.Lchown(file, c.link, -1))
		if err != nil {
			t.Fatal(err)
		}
		err = ours(file)
		if c.want == "" && err != nil || c.want != "" && (!errors.Is(err, ErrForeign) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
