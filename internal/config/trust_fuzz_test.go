package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// FuzzTrust: whatever stands in the file of approvals, an address is approved only if the file says so of this very vwrap.yaml, and to
// approve one more either fails or keeps what was approved.
func FuzzTrust(f *testing.F) {
	dir := f.TempDir()
	file, user := filepath.Join(dir, Name), filepath.Join(dir, "config")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		f.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(approvalsFile(user)), 0o700); err != nil {
		f.Fatal(err)
	}
	id, err := identity(file)
	if err != nil {
		f.Fatal(err)
	}
	const address, other = "https://vault.example:443", "https://other.example:443"
	named, _ := json.Marshal(id)
	for _, seed := range []string{"", "null", "{}", "[]", `{"@":["` + address + `"]}`, `{"@":null}`, `{"@":["HTTPS://vault.example"]}`, `{"/x":["` + address + `"]}`, `{"@":[5]}`, `{"@":["` + address + `"`, `{"@":["` + other + `"],"@":["` + address + `"]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ReplaceAll(text, `"@"`, string(named))
		if err := os.WriteFile(approvalsFile(user), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var says map[string][]string
		damaged := json.Unmarshal([]byte(text), &says) != nil || says == nil
		approved, err := Approved(user, file, address)
		if approved != (!damaged && slices.Contains(says[id], address)) || (err != nil) != damaged {
			t.Errorf("%s: approved: %t, %v", text, approved, err)
		}
		if err := Approve(user, file, other); (err != nil) != damaged {
			t.Fatalf("%s: %v", text, err)
		}
		if damaged {
			return
		}
		for _, want := range append(says[id], other) {
			if list, err := readApprovals(user); err != nil || !slices.Contains(list[id], want) {
				t.Errorf("%s: %q is not approved any more: %v, %v", text, want, list, err)
			}
		}
	})
}
