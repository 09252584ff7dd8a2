package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/secret"
	"github.com/vwrap/vwrap/envsource/vault"
	"github.com/vwrap/vwrap/internal/check"
	"github.com/vwrap/vwrap/internal/check/parity"
	"github.com/vwrap/vwrap/internal/config"
)

// The variables about the other Vault. This one's token and certificate are not sent there.
const (
	againstToken     = "VWRAP_AGAINST_TOKEN"
	againstNamespace = "VWRAP_AGAINST_NAMESPACE"
	againstCACert    = "VWRAP_AGAINST_CACERT"
)

func parityChecker() checker {
	return checker{
		name: "parity", usage: "hold the keys that are there against those that are wanted",
		text: "vwrap check parity [--path PATH] [--manifest FILE | --against ADDRESS]",
		about: "Hold the keys below a path of Vault, or the variables that vwrap.yaml sets,\nagainst a manifest of the keys that have to be there, or against another Vault\n" +
			"(whose token is in " + againstToken + "). No value is shown.",
		flags: slices.Concat([]cli.Flag{
			&cli.StringFlag{Name: "path", EnvVars: []string{"VWRAP_CHECK_PATH"}, Usage: "look at the keys below `PATH`", DefaultText: "check.path of vwrap.yaml, else its variables"},
			&cli.StringFlag{Name: "manifest", EnvVars: []string{"VWRAP_MANIFEST"}, Usage: "the keys that are wanted: a `FILE`, https://…, or - for standard input", DefaultText: "check.manifest of vwrap.yaml"},
			&cli.StringFlag{Name: "manifest-token", EnvVars: []string{"VWRAP_MANIFEST_TOKEN"}, Usage: "the variable `NAME` has the bearer token for the manifest's server"},
			&cli.StringFlag{Name: "against", EnvVars: []string{"VWRAP_AGAINST"}, Usage: "hold them against another Vault, `ADDRESS`, or ADDRESS/PATH"},
			&cli.BoolFlag{Name: "values", EnvVars: []string{"VWRAP_VALUES"}, Usage: "with --against, say whether the values are the same"},
			&cli.BoolFlag{Name: "write-manifest", EnvVars: []string{"VWRAP_WRITE_MANIFEST"}, Usage: "print a manifest of what is there"},
		}, fetchFlags()),
		do:      (*invocation).checkParity,
		applies: func(c config.Config) bool { return c.Check.Manifest != "" },
	}
}

// parityMemory is what the collector of garbage aims at: a hundred thousand keys fit into 128 MiB by it.
const parityMemory = 96 << 20

// checkParity is vwrap check parity.
func (i *invocation) checkParity(c *cli.Context) (check.Report, error) {
	debug.SetMemoryLimit(parityMemory)
	i.command = []string{"true"} // a session is of some command; none is run
	s, err := i.session(c)
	if err != nil {
		return check.Report{}, err
	}
	against, where := c.String("against"), manifestOf(c, s.conf)
	switch {
	case against != "" && c.IsSet("manifest"):
		return check.Report{}, errors.New("--against and --manifest exclude each other")
	case c.Bool("write-manifest") && onLine(c, "format"):
		return check.Report{}, errors.New("--write-manifest prints a manifest, which has one form: leave out --format")
	case c.Bool("values") && against == "":
		return check.Report{}, errors.New("--values goes with --against")
	case against == "" && where == "" && !c.Bool("write-manifest"):
		return check.Report{}, errors.New("there is nothing to hold it against: say --manifest FILE, or check.manifest in vwrap.yaml, or --against ADDRESS")
	}
	var m parity.Manifest
	if against == "" && !c.Bool("write-manifest") {
		if err := trustManifest(c, s.conf); err != nil {
			return check.Report{}, err
		}
		if m, err = readManifest(c, where); err != nil {
			return check.Report{}, err
		}
	}
	ctx, cancel := context.WithTimeout(c.Context, 10*s.timeout)
	defer cancel()
	path := strings.Trim(cmp.Or(c.String("path"), s.conf.Check.Path), "/")
	t, leave, err := s.keys(ctx, c, path, m.NeedsValues())
	if err != nil {
		return check.Report{}, err
	}
	defer leave()
	switch {
	case c.Bool("write-manifest"):
		_, err := c.App.Writer.Write(parity.Write(t))
		return check.Report{}, errors.Join(err, errPrinted)
	case against == "":
		return parity.Compare(ctx, t, m)
	case path == "":
		return check.Report{}, errors.New("--against needs a path: say --path, or check.path in vwrap.yaml")
	}
	other, err := otherVault(ctx, against, path)
	if err != nil {
		return check.Report{}, fmt.Errorf("--against: %w", err)
	}
	return parity.Against(ctx, t, other, c.Bool("values"))
}

// manifestOf is where the manifest is; a file of vwrap.yaml's is beside that.
func manifestOf(c *cli.Context, conf config.Config) string {
	if given := c.String("manifest"); given != "" {
		return given
	}
	where := conf.Check.Manifest
	if where == "" || strings.Contains(where, "://") || filepath.IsAbs(where) {
		return where
	}
	return near(filepath.Join(filepath.Dir(conf.File), where))
}

func readManifest(c *cli.Context, where string) (parity.Manifest, error) {
	o := parity.FetchOptions{Stdin: os.Stdin}
	if name := c.String("manifest-token"); name != "" {
		if o.Token = os.Getenv(name); o.Token == "" { // who gives the token itself is not to find it in a log
			return parity.Manifest{}, errors.New("--manifest-token names a variable that is not set: it takes a variable's name, not the token")
		}
	}
	if dir, err := os.UserCacheDir(); err == nil {
		o.Cache = filepath.Join(dir, "vwrap", "manifests")
	}
	text, err := parity.Fetch(c.Context, where, o)
	if err != nil {
		return parity.Manifest{}, err
	}
	return parity.ParseManifest(text, where)
}

// keys are those below path; without one the variables that are set.
func (s *session) keys(ctx context.Context, c *cli.Context, path string, values bool) (t parity.Tree, leave func(), err error) {
	leave = func() {}
	if path == "" {
		t, err = s.variables(values)
		return t, leave, err
	}
	if err := s.find(c); err != nil {
		return t, leave, err
	}
	_, token, leave, err := s.connect(ctx)
	if err != nil {
		return t, func() {}, err
	}
	source, err := vault.NewSource(s.orders.Vault, token.ID)
	if err == nil {
		t, err = keysAt(ctx, source, path)
	}
	if err != nil {
		leave()
	}
	return t, leave, err
}

func keysAt(ctx context.Context, source *vault.Source, path string) (parity.Tree, error) {
	kv, err := source.KV(ctx, "", path)
	if err != nil {
		return parity.Tree{}, err
	}
	return parity.List(ctx, kv, path)
}

// variables are those that would be injected. They are fetched where their values are wanted, or a secret is taken whole,
// whose fields are known no sooner.
func (s *session) variables(values bool) (parity.Tree, error) {
	label := cmp.Or(filepath.Base(s.conf.File), "the command line")
	found := map[string]string{}
	for _, e := range s.plan.Explain() {
		values = values || e.Name == ""
		if e.Name != "" {
			found[e.Name] = ""
		}
	}
	if !values {
		return parity.Variables(label, found), nil
	}
	s.once = once{on: true, force: true}
	status, err := s.export(func(r envsource.Result) error {
		found = r.Injected
		return errTaken
	})
	switch {
	case errors.Is(err, errTaken):
		return parity.Variables(label, found), nil
	case err == nil && status.Signal != 0:
		return parity.Tree{}, errors.New("interrupted")
	}
	return parity.Tree{}, err
}

// otherVault is the tree at ADDRESS/PATH, or at the same path there.
func otherVault(ctx context.Context, against, path string) (parity.Tree, error) {
	u, err := url.Parse(against)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return parity.Tree{}, errors.New("want the address of a Vault, such as https://vault.example.com/secret/dev")
	}
	token := os.Getenv(againstToken)
	if token == "" {
		return parity.Tree{}, fmt.Errorf("%s is not set: it has the token for %s", againstToken, u.Host)
	}
	path = cmp.Or(strings.Trim(u.Path, "/"), path)
	u.Path, u.RawQuery, u.Fragment = "", "", ""
	conf, err := vault.Config{
		Address: u.String(), Namespace: strings.Trim(os.Getenv(againstNamespace), "/"), CACert: os.Getenv(againstCACert),
	}.WithEnviron(authorities)
	if err != nil {
		return parity.Tree{}, err
	}
	source, err := vault.NewSource(conf, secret.New(token))
	if err != nil {
		return parity.Tree{}, err
	}
	t, err := keysAt(ctx, source, path)
	t.Label = u.Host + "/" + path
	return t, err
}

// authorities is what of the environment holds for another Vault too: who is trusted to say that a server is itself. The rest
// is about this one: a certificate that logs in, the name that its certificate has, that nothing is looked at.
func authorities(name string) string {
	if strings.HasSuffix(name, "_CACERT") || strings.HasSuffix(name, "_CAPATH") {
		return os.Getenv(name)
	}
	return ""
}
