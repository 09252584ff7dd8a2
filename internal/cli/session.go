package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/dotenv"
	"github.com/vwrap/vwrap/envsource/file"
	"github.com/vwrap/vwrap/envsource/vault"
	"github.com/vwrap/vwrap/internal/config"
	"github.com/vwrap/vwrap/internal/courier"
	"github.com/vwrap/vwrap/internal/heap"
	"github.com/vwrap/vwrap/internal/listen"
	"github.com/vwrap/vwrap/internal/proc"
	"github.com/vwrap/vwrap/internal/ready"
	"github.com/vwrap/vwrap/signals"
	"github.com/vwrap/vwrap/wrap"
)

// open opens what a courier reads from: connections to Vault at once, the rest when there are orders.
func open(ctx context.Context, h courier.Heading) courier.Sources {
	var client *vault.Client
	var err error
	if h.Vault.Address != "" {
		if client, err = vault.NewClient(h.Vault); err == nil {
			client.Ahead(ctx, h.Reads)
		}
	}
	return func(o courier.Orders) (map[string]envsource.Source, error) {
		all := map[string]envsource.Source{envsource.SourceFile: file.Source{}, envsource.SourceDotenv: dotenv.Source{}}
		switch {
		case o.Outage != "":
			all[envsource.SourceVault] = outage(o.Outage)
		case err != nil:
			return nil, err
		case client != nil:
			client.SetToken(o.Token)
			source := client.Source()
			source.ReadEarly()
			all[envsource.SourceVault] = source
		}
		return all, nil
	}
}

// outage is Vault where it could not be reached to log in: it answers everything with why.
type outage string

func (o outage) err() error { return envsource.Mark(errors.New(string(o)), envsource.ErrUnavailable) }

// Locate implements envsource.Source.
func (o outage) Locate(_ context.Context, r envsource.Read) (envsource.Read, error) {
	return r, o.err()
}

// Read implements envsource.Source.
func (o outage) Read(context.Context, envsource.Read) (envsource.Answer, error) {
	return envsource.Answer{}, o.err()
}

// session is one run of a command: everything is known and checked, nothing is fetched.
type session struct {
	conf    config.Config
	input   envsource.Input
	plan    envsource.Plan
	orders  courier.Orders
	named   string // who names the server; "" is nobody
	auth    vault.Auth
	getenv  func(string) string // where auth looks for credentials
	policy  wrap.Policy
	once    once
	timeout time.Duration // of the start
	revoke  bool
	mask    bool  // secrets in what the command prints
	alone   bool  // signals go to the command alone
	fds     []int // the user's, that the command gets
	log     *slog.Logger
	parent  atomic.Pointer[vault.Token] // of the token that vwrap works under (vault.token_ttl)
	// children are vwrap's, made when the first is needed.
	children func() *proc.Children
}

// newSession is a session that does not know yet where its server is.
func newSession(c *cli.Context, conf config.Config, argv []string) (*session, error) {
	level, err := levelOf(c.String("log-level"), c.Bool("quiet"))
	if err != nil {
		return nil, err
	}
	if format := c.String("log-format"); format != "" && format != "text" && format != "json" {
		return nil, fmt.Errorf("--log-format %s: want text or json", format)
	}
	s := &session{
		conf: conf, timeout: c.Duration("start-timeout"), revoke: !c.Bool("no-revoke"), getenv: os.Getenv,
		alone: c.Bool("signal-child-only"), mask: c.String("mask") == "always",
		log: newLog(proc.Stderr{}, c.String("log-format"), level),
	}
	if o, ok := c.Generic("once").(*once); ok {
		s.once = *o
	}
	var inputErr, planErr error
	s.input, inputErr = input(c, conf, environ())
	s.plan, planErr = envsource.NewPlan(s.input)
	s.orders = courier.Orders{Input: s.input, Argv: argv, DigestKey: make([]byte, 32), Cores: c.Bool("allow-core-dumps")}
	_, _ = rand.Read(s.orders.DigestKey) // never fails (crypto/rand)
	policyErr := s.decide(c)
	return s, errors.Join(inputErr, planErr, policyErr, s.preserve(c))
}

// locate finds the server, where it is needed.
func (s *session) locate(c *cli.Context) error {
	if !s.plan.NeedsVault() {
		return nil
	}
	return s.find(c)
}

// find finds the server, and refuses to send credentials to one that nobody approved.
func (s *session) find(c *cli.Context) error {
	address, from, named := vault.DefaultAddress, config.FromDefault, ""
	switch env := vault.Environ(os.Getenv, "ADDR"); {
	case c.String("address") != "":
		address, from, named = c.String("address"), config.FromFlag, "--address"
	case env != "":
		address, from, named = env, config.FromEnvironment, "VAULT_ADDR or BAO_ADDR"
	case s.conf.Vault.Address != "":
		address, from, named = s.conf.Vault.Address, config.FromFile, "vault.address of "+s.conf.File
	}
	if _, err := config.NormalizeAddress(address); err != nil {
		return fmt.Errorf("%s: %w", named, err)
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		dir = ""
	}
	if err := config.Trusted(s.conf, address, from, dir); err != nil {
		return err
	}
	s.named = named
	a := s.conf.Vault.Auth
	s.auth = vault.Auth{
		Method: a.Method, Mount: a.Mount, TokenFile: a.TokenFile,
		RoleID: a.RoleID, SecretIDFile: a.SecretIDFile, SecretIDWrapped: a.SecretIDWrapped,
		Role: a.Role, JWTFile: a.JWTFile, JWTEnv: a.JWTEnv, Audience: a.Audience,
		Username: a.Username, PasswordFile: a.PasswordFile, Helper: s.askHelper,
	}
	s.orders.Vault, err = vault.Config{Address: address, Namespace: s.conf.Vault.Namespace}.WithEnviron(os.Getenv)
	if s.orders.Vault.SkipVerify {
		s.log.Warn("VAULT_SKIP_VERIFY: whoever is between here and Vault can read the token and every secret")
	}
	return err
}

// preserve has the command get as many descriptors from 3 on as it was told, and no others.
func (s *session) preserve(c *cli.Context) (err error) {
	const flag = "preserve-fds"
	n := c.Int(flag)
	if n < 0 {
		return fmt.Errorf("%s: want how many descriptors from 3 on the command is to get", spelled(c, flag, fmt.Sprint(n)))
	}
	if n > 0 && len(s.conf.Rotation.Listen) > 0 {
		return fmt.Errorf("%s: the descriptors from 3 on are rotation.listen's", spelled(c, flag, fmt.Sprint(n)))
	}
	if s.fds, err = proc.Inherited(n); err != nil {
		return fmt.Errorf("%s: %w: it means the descriptors 3 to %d", spelled(c, flag, fmt.Sprint(n)), err, 2+n)
	}
	proc.CloseInherited(3 + n)
	return nil
}

// decide turns what conf and c say of rotations and signals into a policy.
func (s *session) decide(c *cli.Context) error {
	r := s.conf.Rotation
	rotate, stop, err := parseSignals(s.conf)
	rewrites, rewriteErr := parseRewrites(c)
	s.policy = wrap.Policy{
		ActionFor: s.actionFor, Signal: rotate, StopSignal: stop, StopGrace: r.StopGrace, Settle: r.Settle, Splay: r.Splay,
		StopFirst: r.Order == "stop-first", StopOnExpiry: r.OnExpiry == "stop", Log: s.log,
		Rewrites: rewrites, Handle: wrap.NewHandle(), Drain: c.Bool("kill-stragglers") || os.Getpid() == 1,
	}
	return errors.Join(err, rewriteErr)
}

// actionFor is the strongest action that the entries of vwrap.yaml for this read name; else the command's.
func (s *session) actionFor(h envsource.Holding) wrap.Action {
	action := wrap.Action("")
	for _, secret := range s.plan.SecretsFor(h) {
		if secret.OnRotate != "" {
			action = wrap.Stronger(action, wrap.Action(secret.OnRotate))
		}
	}
	if action == "" {
		return wrap.Action(s.conf.Rotation.Action)
	}
	return action
}

// pollFor is the shortest poll interval that the entries of vwrap.yaml for this read name; 0 where none does.
func (s *session) pollFor(h envsource.Holding) (poll time.Duration) {
	for _, secret := range s.plan.SecretsFor(h) {
		if secret.Poll > 0 && (poll == 0 || secret.Poll < poll) {
			poll = secret.Poll
		}
	}
	return poll
}

// run runs the command and returns how vwrap has ended, and the terminal that it ran on. l sends the couriers; nil
// where none was prepared.
func (s *session) run(l *courier.Launcher) (proc.Status, *proc.Terminal, error) {
	terminal := proc.OpenTerminal()
	if err := s.harden(); err != nil {
		return proc.Status{Code: courier.StatusFailed}, terminal, err
	}
	inbox := signals.Listen() // and it stays open: what comes while vwrap ends does not change how that does
	children := proc.NewChildren
	if l != nil {
		children = func() *proc.Children { return l.Children }
	}
	s.children = sync.OnceValue(children)
	if s.once.on && len(s.conf.Rotation.Listen) > 0 {
		return proc.Status{Code: courier.StatusFailed}, terminal, errors.New("--once: rotation.listen needs a vwrap that stays, to hold the sockets")
	}
	if s.once.on && s.mask {
		return proc.Status{Code: courier.StatusFailed}, terminal, errors.New("--once: --mask always needs a vwrap that stays, to see to what the command prints")
	}
	sockets, err := listen.Open(s.conf.Rotation.Listen)
	if err != nil {
		return proc.Status{Code: courier.StatusFailed}, terminal, err
	}
	defer sockets.Close()
	if l != nil {
		l.Announce(s.heading())
	}
	token, client, status, err := s.login(inbox)
	if err != nil || status != (proc.Status{}) {
		return status, terminal, err
	}
	if s.once.on {
		status, err := s.runOnce(client, token, inbox)
		return status, terminal, err
	}
	if l == nil { // nothing was prepared
		defer s.children().Close()
		l = &courier.Launcher{Self: self(), Children: s.children(), Preserve: s.fds}
		l.Announce(s.heading())
	}
	for _, f := range sockets.Files {
		l.Preserve = append(l.Preserve, int(f.Fd()))
	}
	s.orders.Listen = sockets.Names
	l.Terminal = terminal
	status, err = s.supervise(l, sockets, client, token, inbox)
	return status, terminal, err
}

// heading is where couriers will be sent.
func (s *session) heading() (h courier.Heading) {
	for _, r := range s.plan.Reads() {
		if r.Source == envsource.SourceVault {
			h.Reads++
		}
	}
	if h.Reads > 0 {
		h.Vault = s.orders.Vault
	}
	return h
}

// harden makes vwrap unreadable, and limits its core dumps, and by that the command's.
func (s *session) harden() error {
	if !s.orders.Cores {
		if err := proc.LimitCore(); err != nil {
			return err
		}
	}
	if err := proc.Harden(); err != nil {
		s.log.Warn(err.Error())
	}
	return nil
}

// obey reports whether sig, which came while no command runs, ends vwrap.
func (s *session) obey(sig signals.Received) bool {
	return s.policy.Saved.Obey(sig, s.policy.Rewrites.Of(sig.Signal))
}

// fetchTime is what a rotation is given for fetching, beside what the configuration gives it for the rest.
const fetchTime = time.Second

// lead is what a rotation may take.
func (s *session) lead() time.Duration {
	r := s.conf.Rotation
	lead := r.Settle + r.Splay + fetchTime + r.StopGrace
	if s.overlaps() {
		lead += cmp.Or(r.Ready.Delay, r.Ready.Timeout)
	}
	return lead
}

// keeper makes the keeper of what the command will hold.
func (s *session) keeper(client *vault.Client, token vault.Token) *vault.Keeper {
	r := s.conf.Rotation
	o := vault.Options{
		Policy:  vault.Policy{RenewAt: r.RenewAt, Poll: r.Poll, Lead: s.lead()},
		PollFor: s.pollFor, ReleaseAfter: r.ReleaseAfter, Revoke: s.revoke, Clock: vault.SystemClock(), Log: s.log,
	}
	s.parent.Store(token.Parent)
	if s.auth.CanLogin() || token.Parent != nil {
		o.Login = func(ctx context.Context) (vault.Token, error) { return s.loginAgain(ctx, client) }
	}
	return vault.NewKeeper(client, token, o)
}

// atRest is how long after its beginning a supervisor has done what it does only then.
const atRest = time.Second

// supervise runs the command under a supervisor.
func (s *session) supervise(l *courier.Launcher, sockets *listen.Sockets, client *vault.Client, token vault.Token, inbox *signals.Inbox) (proc.Status, error) {
	if err := proc.AdoptOrphans(); err != nil {
		s.log.Warn(err.Error())
	}
	defer time.AfterFunc(atRest, func() { heap.Rest(); proc.LetGoOfProgram() }).Stop()
	s.policy.Shared = l.Terminal.Mode == proc.Shared
	if s.shellInTerminal(l.Terminal) {
		s.conf.Rotation.Action = config.None
	}
	out := &launcher{Launcher: l, notifies: map[*courier.Courier]*ready.Notify{}}
	if err := s.prepareOverlap(out, sockets); err != nil {
		return proc.Status{Code: courier.StatusFailed}, err
	}
	defer out.closeNotifies()
	closeLive, err := s.openLive()
	if err != nil {
		return proc.Status{Code: courier.StatusFailed}, err
	}
	defer closeLive()
	l.Alone, l.Orders, l.StartTimeout, l.Waiting = s.alone, s.orders, s.timeout, s.warn
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	if client == nil {
		open, stop := s.listen(nil)
		defer stop()
		out.launched = open
	}
	if client == nil && len(s.plan.Reads()) == 0 && l.CanDirect() && s.orders.Live == "" && len(s.orders.Listen) == 0 {
		l.Close() // of the courier that was prepared on a guess
		out.launched()
		return wrap.Run(ctx, direct{l, s.plan}, idle{}, inbox.C, s.policy)
	}
	masking, err := s.openMask(l)
	if err != nil {
		return proc.Status{Code: courier.StatusFailed}, err
	}
	if client == nil {
		alone := idle{ctx, make(chan envsource.Notice)}
		followed := s.followFiles(alone.Notice)
		status, err := wrap.Run(ctx, out, alone, inbox.C, s.policy)
		stop()
		followed()
		return masking.end(inbox, status, err)
	}
	keeper := s.keeper(client, token)
	open, closeControl := s.listen(keeper.State)
	defer closeControl()
	out.launched = open
	l.Token = keeper.Token
	var beside sync.WaitGroup
	beside.Go(func() { keeper.Run(ctx) })
	followed := s.followFiles(keeper.Notice)
	beside.Go(func() { s.followToken(ctx, token, client, keeper) })
	status, err := wrap.Run(ctx, out, keeper, inbox.C, s.policy)
	status, err = masking.end(inbox, status, err)
	stop()
	followed()
	beside.Wait()
	s.letGo(keeper.Close)
	return status, err
}

func (s *session) warn(line string) { s.log.Warn(line) }

// letGo gives f the time that vwrap takes at its end to revoke what it holds.
func (s *session) letGo(f func(context.Context)) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	f(ctx)
}

// runOnce fetches and becomes the command; execve gives it the signals as they were.
func (s *session) runOnce(client *vault.Client, token vault.Token, inbox *signals.Inbox) (proc.Status, error) {
	code := courier.StatusFailed
	status, err := s.fetchAlone(client, token, inbox, func(ctx context.Context, a courier.Alone, o courier.Orders) (err error) {
		code, err = a.Once(ctx, o)
		return err
	})
	if status == (proc.Status{}) {
		status.Code = code
	}
	return status, err
}

// fetchAlone has do fetch in this very process. A signal that ends programs ends it, and is the status then.
func (s *session) fetchAlone(client *vault.Client, token vault.Token, inbox *signals.Inbox, do func(context.Context, courier.Alone, courier.Orders) error) (proc.Status, error) {
	o := s.orders
	o.Token, o.Errand, o.Patience, o.Retry = token.ID, courier.Launch, s.timeout, true
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan unix.Signal, 1)
	go func() {
		for {
			select {
			case sig := <-inbox.C:
				if s.obey(sig) {
					ended <- sig.Signal
					cancel()
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	err := do(ctx, courier.Alone{
		Sources: open(ctx, s.heading()), Leased: s.once.force, Warn: s.warn,
		Release: func(leased []envsource.Holding, own bool) {
			s.letGo(func(ctx context.Context) { s.releaseOnce(ctx, client, token, leased, own) })
		},
	}, o)
	select {
	case sig := <-ended:
		return proc.Status{Signal: sig}, nil
	default:
		return proc.Status{}, err
	}
}

// releaseOnce lets go of what a fetch without a supervisor does not leave behind: leased answers that are refused and, with own,
// the token that vwrap logged in for.
func (s *session) releaseOnce(ctx context.Context, client *vault.Client, token vault.Token, leased []envsource.Holding, own bool) {
	if client == nil || !s.revoke {
		return
	}
	for _, h := range leased {
		if err := client.Revoke(ctx, h.Read.Namespace, h.LeaseID); err != nil && !token.Own {
			s.log.Warn(err.Error())
		}
	}
	if token.Own && own {
		if err := client.RevokeToken(ctx, token.ID); err != nil {
			s.log.Warn(err.Error())
		}
	}
}

// shellInTerminal reports whether the command is a bare interactive shell that owns the terminal: restarting it
// would take it from under its user's hands.
func (s *session) shellInTerminal(t *proc.Terminal) bool {
	shells := []string{"sh", "bash", "dash", "zsh", "fish", "ksh"}
	return t.Mode == proc.Handoff && !s.conf.Rotation.ActionSet && len(s.orders.Argv) == 1 &&
		slices.Contains(shells, filepath.Base(s.orders.Argv[0]))
}

// self is the file of vwrap itself; the kernel's name for it holds also when the file was replaced since.
func self() string {
	const link = "/proc/self/exe"
	if _, err := os.Stat(link); err == nil {
		return link
	}
	path, err := os.Executable()
	if err != nil {
		return link
	}
	return path
}

// launcher makes of a courier.Launcher what wrap wants.
type launcher struct {
	*courier.Launcher
	folder   string                             // for the sockets of notifies; "": none are wanted
	notifies map[*courier.Courier]*ready.Notify // by the generation that says there that it is ready
	launched func()                             // called once the first courier is out, while that fetches; nil afterwards
}

// Launch implements wrap.Launcher.
func (l *launcher) Launch(t courier.Task, from wrap.Generation) (wrap.Generation, error) {
	before, _ := from.(*courier.Courier)
	var n *ready.Notify
	if t.Errand == courier.Launch && l.folder != "" {
		var err error
		if n, err = l.notified(); err != nil {
			return nil, err
		}
		l.Orders.Notify = n.Path()
	}
	c, err := l.Launcher.Launch(t, before)
	if err != nil {
		return nil, err
	}
	if n != nil {
		l.notifies[c] = n
	}
	if launched := l.launched; launched != nil {
		l.launched = nil
		launched()
	}
	return c, nil
}

// direct starts a command into which nothing is injected.
type direct struct {
	*courier.Launcher
	plan envsource.Plan
}

// Launch implements wrap.Launcher.
func (d direct) Launch(courier.Task, wrap.Generation) (wrap.Generation, error) {
	return d.Direct(d.plan), nil
}

// idle is the keeper of a command that holds nothing of Vault's.
type idle struct {
	ctx     context.Context // of the run: nobody is told of anything after it
	notices chan envsource.Notice
}

// Notice tells the wrapper of a holding.
func (i idle) Notice(n envsource.Notice) {
	select {
	case i.notices <- n:
	case <-i.ctx.Done():
	}
}

var settled = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Hold implements wrap.Keeper.
func (idle) Hold(uint64, []envsource.Holding) <-chan struct{} { return settled }

// Drop implements wrap.Keeper.
func (idle) Drop(uint64, bool) <-chan struct{} { return settled }

// Heard implements wrap.Keeper.
func (idle) Heard(string) {}

// Notices implements wrap.Keeper.
func (i idle) Notices() <-chan envsource.Notice { return i.notices }
