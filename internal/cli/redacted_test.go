package cli

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
	"github.com/vwrap/vwrap/internal/check/leaks"
	"github.com/vwrap/vwrap/internal/check/parity"
	"github.com/vwrap/vwrap/internal/courier"
	"github.com/vwrap/vwrap/internal/devserver/admin"
	"github.com/vwrap/vwrap/internal/devserver/backend"
	"github.com/vwrap/vwrap/internal/devserver/host"
	"github.com/vwrap/vwrap/internal/devserver/seed"
	"github.com/vwrap/vwrap/internal/mask"
)

// What holds secrets as plain text is shown by no verb and in no log, alone or in what holds it.
func TestHoldersAreHidden(t *testing.T) {
	t.Parallel()
	for _, holder := range []any{
		secret.New("hush"),
		mask.Value{Value: "hush"},
		leaks.Secret{Value: "hush"},
		parity.FetchOptions{Token: "hush"},
		host.Ready{Token: "hush", SecretID: "hush"},
		host.Orders{Server: backend.Options{Token: "hush"}},
		backend.Options{Token: "hush"},
		seed.AppRole{SecretID: "hush"},
		admin.New("http://127.0.0.1:1", "hush"),
		courier.Orders{Token: secret.New("hush")},
		leaks.Options{Secrets: []leaks.Secret{{Value: "hush"}}},
		seed.Result{AppRoles: []seed.AppRole{{SecretID: "hush"}}},
		envsource.Input{Inherited: []string{"KEY=hush"}},
	} {
		var said bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&said, verb+verb, holder, []any{holder})
		}
		slog.New(slog.NewTextHandler(&said, nil)).Info("x", "holder", holder)
		if strings.Contains(said.String(), "hush") || strings.Contains(said.String(), "68757368") || !strings.Contains(said.String(), "[redacted]") {
			t.Errorf("%T is shown as %s", holder, said.String())
		}
	}
}
