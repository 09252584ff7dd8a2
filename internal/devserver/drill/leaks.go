package drill

import (
	"context"
	"strings"
	"time"

	"github.com/vwrap/vwrap/internal/devserver/admin"
)

// Leaks counts the leases of secrets that are left on the server. Revocation may be under way: it is waited for.
func Leaks(ctx context.Context, c *admin.Client, patience time.Duration) (int, error) {
	for late := time.Now().Add(patience); ; pause(ctx, 100*time.Millisecond) {
		n, err := leases(ctx, c, "")
		if err != nil || n == 0 || ctx.Err() != nil || time.Now().After(late) {
			return n, err
		}
	}
}

// leases counts those below prefix; those of tokens (auth/) are not of secrets.
func leases(ctx context.Context, c *admin.Client, prefix string) (n int, err error) {
	keys, err := c.List(ctx, "sys/leases/lookup/"+prefix)
	if err != nil {
		return 0, err
	}
	for _, key := range keys {
		switch {
		case prefix == "" && key == "auth/":
		case strings.HasSuffix(key, "/"):
			below, err := leases(ctx, c, prefix+key)
			if err != nil {
				return n, err
			}
			n += below
		default:
			n++
		}
	}
	return n, nil
}
