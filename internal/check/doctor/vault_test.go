package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/vault"
)

type health struct {
	is  vault.Health
	err error
}

func (h health) Health(context.Context) (vault.Health, error) { return h.is, h.err }

func TestServer(t *testing.T) {
	t.Parallel()
	good := vault.Health{Initialized: true, Version: "1.21.1", Timed: true}
	with := func(change func(*vault.Health)) vault.Health { h := good; change(&h); return h }
	ending := func(days int) *tls.ConnectionState {
		return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{
			{NotAfter: time.Now().AddDate(1, 0, 0)}, {NotAfter: time.Now().Add(time.Duration(days)*24*time.Hour + time.Hour)},
		}}
	}
	local := Place{Address: "http://127.0.0.1:8200", Named: "VAULT_ADDR"}
	inside := Place{Address: "http://127.0.0.1:8200", Named: "VAULT_ADDR", Container: true}
	far := Place{Address: "https://vault.example:8200", Named: "--address"}
	no := func(err error) health { return health{err: fmt.Errorf("no answer from Vault: %w", err)} }
	expired := x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.Expired}
	for name, c := range map[string]struct {
		v     health
		p     Place
		up    bool
		want  string // of the first line that is not ok
		mends string
	}{
		"good":            {health{is: good}, local, true, "", ""},
		"a standby":       {health{is: with(func(h *vault.Health) { h.Standby = true })}, local, true, "", ""},
		"sealed":          {health{is: with(func(h *vault.Health) { h.Sealed = true })}, local, false, "fault state: sealed", "vault operator unseal"},
		"new":             {health{is: with(func(h *vault.Health) { h.Initialized = false })}, local, false, "fault state: not initialised", "vwrap dev"},
		"skew":            {health{is: with(func(h *vault.Health) { h.Skew = -6 * time.Second })}, local, true, "warning clock: this machine's is 6s behind the server's", "timedatectl"},
		"little skew":     {health{is: with(func(h *vault.Health) { h.Skew = 5 * time.Second })}, local, true, "", ""},
		"much skew":       {health{is: with(func(h *vault.Health) { h.Skew = time.Hour })}, local, true, "fault clock: this machine's is 1h0m0s ahead of", "timedatectl"},
		"in clear":        {health{is: good}, Place{Address: "http://vault.example:8200", Named: "VAULT_ADDR"}, true, "warning address: http://vault.example:8200 (VAULT_ADDR) answers, in clear", "https://"},
		"certificate":     {health{is: with(func(h *vault.Health) { h.TLS = ending(15) })}, far, true, "", ""},
		"ends soon":       {health{is: with(func(h *vault.Health) { h.TLS = ending(13) })}, far, true, "warning certificate: it, or one of its chain, ends on ", "replace"},
		"has ended":       {health{is: with(func(h *vault.Health) { h.TLS = ending(-1) })}, far, true, "fault certificate: it, or one of its chain, ended on ", "replace"},
		"not verified":    {health{is: with(func(h *vault.Health) { h.TLS = ending(99) })}, Place{Address: "https://x", SkipVerify: true}, true, "warning TLS: VAULT_SKIP_VERIFY is set", "VAULT_CACERT"},
		"no host":         {no(&net.DNSError{Err: "no such host", Name: "vault.example"}), far, false, "fault address: https://vault.example:8200 (--address): there is no host vault.example", "Compose"},
		"refused":         {no(&net.OpError{Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}), local, false, "fault address: http://127.0.0.1:8200 (VAULT_ADDR): nobody listens there", "vwrap dev"},
		"refused inside":  {no(&net.OpError{Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}), inside, false, "fault address: http://127.0.0.1:8200 (VAULT_ADDR): nobody listens there", "host.docker.internal"},
		"no socket":       {no(os.ErrNotExist), Place{Address: "unix:///x"}, false, "fault address: unix:///x (): there is no such socket", "start"},
		"no entry":        {no(os.ErrPermission), Place{Address: "unix:///x"}, false, "fault address: unix:///x (): this user may not connect", "mode"},
		"late":            {no(os.ErrDeadlineExceeded), far, false, "fault address: https://vault.example:8200 (--address): no answer in time", "curl"},
		"something else":  {no(errors.New("odd")), far, false, "fault address: no answer from Vault: odd", "curl"},
		"some other page": {health{err: fmt.Errorf("what answers is %w", vault.ErrForeign)}, far, false, "fault address: what answers at https://vault.example:8200 (--address) is not Vault", "port"},
		"authority":       {no(x509.UnknownAuthorityError{}), far, false, "fault address: https://vault.example:8200 (--address): its certificate is of an authority", "VAULT_CACERT"},
		"name":            {no(x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"a.example"}}, Host: "x"}), far, false, "fault address: https://vault.example:8200 (--address): its certificate is for a.example", "VAULT_TLS_SERVER_NAME"},
		"expired":         {no(expired), far, false, "fault address: https://vault.example:8200 (--address): its certificate is good from ", "replace"},
		"refused for use": {no(x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: x509.NotAuthorizedToSign}), far, false, "fault address: https://vault.example:8200 (--address): its certificate is refused", "replace"},
		"no TLS":          {no(tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}), far, false, "fault address: https://vault.example:8200 (--address) speaks no TLS", "http://"},
	} {
		lines, up := Server(t.Context(), c.v, c.p)
		mended(t, lines)
		got := append(said(lines), "")
		if up != c.up || !strings.HasPrefix(got[0], c.want) || c.want == "" && got[0] != "" {
			t.Errorf("%s: %v %q", name, up, got)
		}
		if c.mends != "" && !slices.ContainsFunc(lines, func(l Line) bool { return l.State != OK && strings.Contains(l.Mend, c.mends) }) {
			t.Errorf("%s: no mend has %q: %+v", name, c.mends, lines)
		}
	}
}

// The errors of real connections are those that are looked for.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	authority := t.TempDir() + "/ca.pem"
	pem := "-----BEGIN CERTIFICATE-----\n" + encoded(secure.Certificate().Raw) + "\n-----END CERTIFICATE-----\n"
	if err := os.WriteFile(authority, []byte(pem), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		conf vault.Config
		want string
	}{
		"refused":       {vault.Config{Address: "http://" + closed.Addr().String()}, "nobody listens there"},
		"no host":       {vault.Config{Address: "http://no-such-host.invalid:8200"}, "there is no host no-such-host.invalid"},
		"no socket":     {vault.Config{Address: "unix://" + t.TempDir() + "/x"}, "there is no such socket"},
		"authority":     {vault.Config{Address: secure.URL}, "its certificate is of an authority"},
		"name":          {vault.Config{Address: secure.URL, CACert: authority, ServerName: "other.invalid"}, "its certificate is for example.com, "},
		"no TLS":        {vault.Config{Address: strings.Replace(plain.URL, "http:", "https:", 1)}, "speaks no TLS"},
		"TLS":           {vault.Config{Address: strings.Replace(secure.URL, "https:", "http:", 1)}, "speaks TLS"},
		"no such thing": {vault.Config{Address: plain.URL}, "nothing at sys/health"},
	} {
		client, err := vault.NewClient(c.conf)
		if err != nil {
			t.Fatal(err)
		}
		lines, up := Server(t.Context(), client, Place{Address: c.conf.Address, Named: "VAULT_ADDR"})
		if up || !strings.Contains(lines[0].Text, c.want) {
			t.Errorf("%s: %+v", name, lines)
		}
	}
}

func encoded(raw []byte) string {
	text, _ := json.Marshal(raw) // base64
	return strings.Trim(string(text), `"`)
}

// server is a Vault of tables.
type server struct {
	token   vault.TokenInfo
	tokenIs error
	may     map[string]string         // path: capability; nil: anything
	mayErr  error                     // no capabilities are told
	kinds   map[string]envsource.Kind // by path
	lost    map[string]error
	absent  map[string]error
	unknown map[string]bool
}

func (s server) Token(context.Context) (vault.TokenInfo, error) { return s.token, s.tokenIs }

func (s server) Capabilities(_ context.Context, _ string, paths []string) (map[string][]string, error) {
	all := map[string][]string{}
	for _, path := range paths {
		switch {
		case s.may == nil:
			all[path] = []string{"root"}
		case s.may[path] == "":
			all[path] = []string{"deny"}
		default:
			all[path] = []string{s.may[path]}
		}
	}
	return all, s.mayErr
}

func (s server) Locate(_ context.Context, r envsource.Read) (envsource.Read, error) {
	if err := s.lost[r.Path]; err != nil {
		return r, err
	}
	mount, rest, _ := strings.Cut(r.Path, "/")
	r.Mount, r.Kind = mount+"/", s.kinds[r.Path]
	if r.Kind == envsource.KindKV2 {
		r.Path = mount + "/data/" + rest
	}
	return r, nil
}

func (s server) Present(_ context.Context, r envsource.Read) (bool, error) {
	return !s.unknown[r.Path], s.absent[r.Path]
}

func TestToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		v    server
		h    Holder
		good bool
		want []string
	}{
		"renewable":   {server{token: vault.TokenInfo{TTL: time.Hour, Renewable: true, Policies: []string{"app"}}}, Holder{Origin: "VAULT_TOKEN"}, true, nil},
		"root":        {server{token: vault.TokenInfo{Policies: []string{"root"}}}, Holder{Origin: "VAULT_TOKEN"}, true, []string{"note policies: root"}},
		"dead":        {server{tokenIs: fmt.Errorf("no: %w", vault.ErrToken)}, Holder{Origin: "VAULT_TOKEN"}, false, []string{"fault token: no"}},
		"away":        {server{tokenIs: errors.New("away")}, Holder{Origin: "VAULT_TOKEN"}, false, []string{"fault token: away"}},
		"ends":        {server{token: vault.TokenInfo{TTL: time.Hour, Policies: []string{"app"}}}, Holder{Origin: "VAULT_TOKEN"}, true, []string{"warning life: good for 1h0m0s, not renewable: leases end with it"}},
		"batch":       {server{token: vault.TokenInfo{TTL: time.Hour, Batch: true, Policies: []string{"app"}}}, Holder{Origin: "VAULT_TOKEN"}, true, []string{"warning life: good for 1h0m0s, not renewable, as a batch token is"}},
		"ends, again": {server{token: vault.TokenInfo{TTL: time.Hour, Policies: []string{"app"}}}, Holder{Origin: "a login", Again: true}, true, nil},
		"uses":        {server{token: vault.TokenInfo{TTL: time.Hour, Renewable: true, Uses: 3, Policies: []string{"app"}}}, Holder{Origin: "x"}, true, []string{"warning uses: 3 are left"}},
		"not itself":  {server{token: vault.TokenInfo{TTL: time.Hour, Renewable: true, Policies: []string{"app"}}, may: map[string]string{}}, Holder{Origin: "x"}, true, []string{"warning renewal: its policies do not let it renew itself"}},
		"no child":    {server{token: vault.TokenInfo{TTL: time.Hour, Renewable: true, Policies: []string{"app"}}, may: map[string]string{"auth/token/renew-self": "update"}}, Holder{Origin: "x", Child: true}, true, []string{"fault token_ttl: vault.token_ttl is set"}},
		"not asked":   {server{token: vault.TokenInfo{TTL: time.Hour, Renewable: true, Policies: []string{"app"}}, mayErr: errors.New("denied")}, Holder{Origin: "x"}, true, []string{"note capabilities: what it may do cannot be asked: denied"}},
	} {
		lines, good := Token(t.Context(), c.v, facts(nil), c.h)
		mended(t, lines)
		got := said(lines)
		if good != c.good || len(got) != len(c.want) || len(got) > 0 && !strings.HasPrefix(got[0], c.want[0]) {
			t.Errorf("%s: %v %q", name, good, got)
		}
	}
	for needed, want := range map[bool]State{true: Fault, false: Warning} {
		lines := NoToken(errors.New("no credential"), needed)
		mended(t, lines)
		if lines[0].State != want {
			t.Errorf("%+v", lines)
		}
	}
}

// Files with credentials are looked at, whether Vault answers or not.
func TestCredentials(t *testing.T) {
	t.Parallel()
	wsl := map[string]string{"/proc/version": "microsoft-standard-WSL2", "/mnt/c/Users/u/secret_id": "hush"}
	for file, c := range map[string]struct {
		files map[string]string // mode 644
		want  []string
	}{
		"/home/u/.vault-token":     {map[string]string{"/home/u/.vault-token": "hush"}, []string{"warning file: ~/.vault-token may be used by others (mode 644)"}},
		"secret_id":                {map[string]string{"/home/u/src/app/secret_id": "hush"}, []string{"warning file: ~/src/app/secret_id may be used by others (mode 644)"}},
		"/mnt/c/Users/u/secret_id": {wsl, []string{"warning file: /mnt/c/Users/u/secret_id is on a drive of Windows, where file modes mean nothing: other users may read it"}},
		"/mnt/c/Users/u/none":      {wsl, nil},
		"/run/secrets/id":          {map[string]string{"/run/secrets/id": "hush"}, nil},
	} {
		lines := Credentials(facts(c.files), []string{file})
		mended(t, lines)
		if got := said(lines); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", file, got)
		}
	}
}

func TestReferences(t *testing.T) {
	t.Parallel()
	need := func(path string, variables ...string) envsource.Need {
		return envsource.Need{
			Read: envsource.Read{Source: envsource.SourceVault, Path: path, Method: envsource.MethodRead}, Parts: [][]string{{"key"}}, Variables: variables,
		}
	}
	kv2 := map[string]envsource.Kind{"kv/api": envsource.KindKV2}
	missing := envsource.Mark(errors.New("nothing at kv/api"), envsource.ErrMissing)
	spare := need("kv/api", "KEY")
	spare.Optional = true
	team := need("kv/api", "KEY")
	team.Read.Namespace = "team"
	for name, c := range map[string]struct {
		v     server
		need  envsource.Need
		own   bool
		want  []string // of all lines, ok ones too
		mends string
	}{
		"good":        {server{kinds: kv2}, need("kv/api", "KEY", "OTHER"), false, []string{"ok kv/api: KEY, OTHER: there, and allowed"}, ""},
		"many":        {server{kinds: kv2}, need("kv/api", "A", "B", "C", "D", "E"), false, []string{"ok kv/api: A, B, C, 2 more: there"}, ""},
		"whole":       {server{kinds: kv2}, need("kv/api"), false, []string{"ok kv/api: there"}, ""},
		"denied":      {server{kinds: kv2, may: map[string]string{"kv/metadata/api": "read"}}, need("kv/api", "KEY"), false, []string{`fault kv/api: KEY: the token's policies lack "read" on kv/data/api`}, `path "kv/data/api" { capabilities = ["read"] }`},
		"no metadata": {server{kinds: kv2, may: map[string]string{"kv/data/api": "read"}}, need("kv/api", "KEY"), false, []string{"warning kv/api: KEY: there; but new versions cost a read"}, `path "kv/metadata/api"`},
		"missing":     {server{kinds: kv2, absent: map[string]error{"kv/data/api": missing}}, need("kv/api", "KEY"), false, []string{"fault kv/api: KEY: nothing at kv/api"}, "vault kv put kv/api key=…"},
		"in a space":  {server{kinds: kv2, absent: map[string]error{"kv/data/api": missing}}, team, false, []string{"fault team/kv/api: KEY: nothing at kv/api"}, "vault kv put -namespace=team kv/api key=…"},
		"optional":    {server{kinds: kv2, absent: map[string]error{"kv/data/api": missing}}, spare, false, []string{"warning kv/api: KEY: nothing at kv/api; it is ?optional"}, ""},
		"no answer":   {server{kinds: kv2, absent: map[string]error{"kv/data/api": envsource.Mark(errors.New("away"), envsource.ErrUnavailable)}}, need("kv/api", "KEY"), false, []string{"fault kv/api: KEY: away"}, "try again"},
		"no mount":    {server{lost: map[string]error{"x/y": envsource.Mark(errors.New("there is no such mount"), envsource.ErrDenied)}}, need("x/y", "KEY"), false, []string{"fault x/y: KEY: there is no such mount"}, "vault secrets list"},
		"sealed":      {server{lost: map[string]error{"x/y": envsource.Mark(errors.New("sealed"), envsource.ErrUnavailable)}}, need("x/y", "KEY"), false, []string{"fault x/y: KEY: sealed"}, "try again"},
		"a user":      {server{}, need("db/creds/app", "DB"), false, []string{"ok db/creds/app: DB: there, and allowed"}, ""},
		"role unseen": {server{unknown: map[string]bool{"db/creds/app": true}}, need("db/creds/app", "DB"), false, []string{"note db/creds/app: DB: allowed; whether it is there"}, ""},
		"not asked":   {server{unknown: map[string]bool{"db/creds/app": true}, mayErr: errors.New("denied")}, need("db/creds/app", "DB"), false, []string{"note db/creds/app: DB: whether it is there and allowed"}, ""},
		"leases": {
			server{may: map[string]string{"db/creds/app": "read"}},
			need("db/creds/app", "DB"), false,
			[]string{"ok db/creds/app", "warning leases: it may not renew any", "warning leases: it may not revoke any"},
			`path "sys/leases/revoke" { capabilities = ["update"] }`,
		},
		"leases, own": {
			server{may: map[string]string{"db/creds/app": "read", "sys/leases/renew": "update"}},
			need("db/creds/app", "DB"), true,
			[]string{"ok db/creds/app", "note leases: it may not revoke any"},
			"",
		},
	} {
		lines := References(t.Context(), c.v, []envsource.Need{c.need}, c.own)
		mended(t, lines)
		ok := len(lines) == len(c.want)
		for i := range min(len(lines), len(c.want)) {
			ok = ok && strings.HasPrefix(string(lines[i].State)+" "+lines[i].Name+": "+lines[i].Text, c.want[i])
		}
		if !ok {
			t.Errorf("%s: %+v", name, lines)
		}
		if c.mends != "" && !slices.ContainsFunc(lines, func(l Line) bool { return strings.Contains(l.Mend, c.mends) }) {
			t.Errorf("%s: no mend has %q: %+v", name, c.mends, lines)
		}
	}
	if lines := References(t.Context(), server{}, nil, false); lines != nil {
		t.Errorf("%+v", lines)
	}
}
