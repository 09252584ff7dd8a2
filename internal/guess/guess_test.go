package guess_test

import (
	"strings"
	"testing"

	"github.com/vwrap/vwrap/internal/guess"
)

func TestSecret(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{
		"DB_PASSWORD=x", "PGPASSWORD=x", "API_KEY=", "STRIPE_SECRET=1", "SECRET_KEY_BASE=x", "GITHUB_TOKEN=x", "token=x", "API_TOKEN_2=x",
		"DATABASE_URL=postgres://app:tiger@localhost/app", "MYSQL=app:tiger@tcp(localhost)/app", "SENTRY_DSN=https://x@example.com/1",
		"AWS_ACCESS_KEY_ID=x", "VAULT_SECRET_ID=x", "PGPASS=x", "STRIPE_KEY=x", "X=-----BEGIN RSA PRIVATE KEY-----", "X=sk_live_1", "PORT=vault:secret/dev/app#port", "URL=http://${vault:secret/a#b}/",
	} {
		if name, value, _ := strings.Cut(secret, "="); !guess.Secret(name, value) {
			t.Errorf("%s is taken for no secret", secret)
		}
	}
	for _, open := range []string{
		"PORT=3000", "LOG_LEVEL=debug", "PASSWORD_MIN_LENGTH=8", "TOKEN_TTL=3600", "KEY_PATH=/etc/key.pem", "DATABASE_URL=postgres://localhost/app", "NEXT_PUBLIC_API_KEY=x",
		"VITE_TOKEN=x", "REACT_APP_SECRET=x", "STRIPE_PUBLISHABLE_KEY=pk_test_1", "URL=http://localhost:3000/a@b", "_=x", "DB_USER=app", "KEYBOARD=de", "VAULT_TOKEN_FILE=/run/t", "DB_PASSWORD_PATH=/run/p", "COMPASS=n",
	} {
		if name, value, _ := strings.Cut(open, "="); guess.Secret(name, value) {
			t.Errorf("%s is taken for a secret", open)
		}
	}
}
