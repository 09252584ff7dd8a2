package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// leavesLeases says how many of this script's leases outlive its vwrap, which was told to leave them or may not revoke
// them. Without it every script ends with the check that none is left.
func leavesLeases(s *session, args []string) (err error) {
	if len(args) != 1 {
		return usageError("leaves-leases N")
	}
	s.leasesLeave, err = strconv.Atoi(args[0])
	return err
}

// checkLeases looks, when all that the script had started has ended, at what is left below the script's own mounts. Three
// seconds are what vwrap promises; Vault revokes what hangs on a token in its own time, which a loaded machine prolongs.
func (s *session) checkLeases() error {
	if _, err := s.vault.do(http.MethodGet, "sys/health", nil); err != nil {
		return nil // the script has stopped or sealed its server: nothing can be asked
	}
	return poll(patience, 50*time.Millisecond, func() error {
		left, err := s.leasesLeft()
		if err == nil && len(left) != s.leasesLeave {
			err = fmt.Errorf("leases left behind are %q, not %d", left, s.leasesLeave)
		}
		return err
	})
}

// leasesLeft are the leases in the mounts whose names have the script's tag.
func (s *session) leasesLeft() (all []string, err error) {
	for _, above := range []string{"", "auth/"} {
		mounts, err := s.leaseKeys(above)
		if err != nil {
			return nil, err
		}
		for _, mount := range mounts {
			if !strings.Contains(mount, s.tag) {
				continue
			}
			below, err := s.leasesBelow(above + mount)
			if err != nil {
				return nil, err
			}
			all = append(all, below...)
		}
	}
	return all, nil
}

func (s *session) leasesBelow(prefix string) (all []string, err error) {
	if !strings.HasSuffix(prefix, "/") {
		return []string{prefix}, nil
	}
	keys, err := s.leaseKeys(prefix)
	for _, key := range keys {
		below, err := s.leasesBelow(prefix + key)
		if err != nil {
			return nil, err
		}
		all = append(all, below...)
	}
	return all, err
}

// leaseKeys lists one level (Vault's API, /sys/leases/lookup).
func (s *session) leaseKeys(prefix string) (keys []string, err error) {
	reply, err := s.vault.do("LIST", "sys/leases/lookup/"+prefix, nil)
	if missing, ok := errors.AsType[*vaultError](err); ok && missing.status == http.StatusNotFound {
		return nil, nil
	}
	names, _ := reply.Data["keys"].([]any)
	for _, name := range names {
		keys = append(keys, fmt.Sprint(name))
	}
	return keys, err
}
