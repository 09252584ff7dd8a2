package envsource

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vwrap/vwrap/internal/wire"
)

// fake answers from a map and counts what it was asked. It is a source as Vault is: paths under "kv/" are KV v2.
type fake struct {
	mu      sync.Mutex
	secrets map[string]map[string]any
	errs    map[string]error
	asked   map[string]int
}

func (f *fake) Locate(_ context.Context, r Read) (Read, error) {
	if rest, ok := strings.CutPrefix(r.Path, "kv/"); ok && !strings.HasPrefix(rest, "data/") {
		r.Path = "kv/data/" + rest
	}
	return r, nil
}

func (f *fake) Read(_ context.Context, r Read) (Answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked[r.Path]++
	if err := f.errs[r.Path]; err != nil {
		return Answer{}, err
	}
	data, ok := f.secrets[r.Path]
	if !ok {
		return Answer{}, Mark(fmt.Errorf("nothing at %s", r), ErrMissing)
	}
	a := Answer{Fields: map[string]json.RawMessage{}, Kind: KindKV2, Asked: time.Now()}
	if strings.HasPrefix(r.Path, "db/") {
		a.Kind, a.LeaseID, a.TTL = KindLeased, fmt.Sprintf("%s/%d", r.Path, f.asked[r.Path]), time.Minute
	}
	for name, value := range data {
		a.Fields[name], _ = json.Marshal(value)
	}
	return a, nil
}

func newFake() *fake {
	return &fake{asked: map[string]int{}, errs: map[string]error{}, secrets: map[string]map[string]any{
		"kv/data/app": {"user": "u", "password": "p<&>ä", "port": 5432, "nested": map[string]any{"a": []any{"x", map[string]any{"b/c": true}}}},
		"db/creds":    {"username": "v-user", "password": "pw 1/2"},
	}}
}

// resolve resolves what the lines say, as -e would, against f.
func resolve(t *testing.T, f *fake, in Input, more Fetch) (Result, error) {
	t.Helper()
	p, err := NewPlan(in)
	if err != nil {
		t.Fatalf("NewPlan: %v", err)
	}
	more.Sources = map[string]Source{SourceVault: f, SourceDotenv: f, SourceFile: f}
	more.Digest = func(text []byte) string { return string(text) }
	return p.Resolve(t.Context(), more)
}

func flags(lines ...string) (in Input) {
	for _, line := range lines {
		name, text, _ := strings.Cut(line, "=")
		in.Vars = append(in.Vars, Var{Name: name, Text: text, Level: LevelFlag, Origin: "-e"})
	}
	return in
}

func TestResolveComposes(t *testing.T) {
	f := newFake()
	in := flags(
		"USER_=vault:kv/app#user",
		"SAME=vault:kv/data/app#password", // the other spelling of the same secret
		"PORT=vault:kv/app#port",
		"DEEP=vault:kv/app#/nested/a/1/b~1c",
		"LIST=vault:kv/app#/nested/a",
		"URL=postgres://${vault:db/creds#username | urlencode}:${vault:db/creds#password | urlencode}@h/d",
		"B64=${vault:kv/app#user | base64}",
		"JSON=${vault:kv/app#user | json}",
		"LIT=literal:vault:not/a#ref",
	)
	r, err := resolve(t, f, in, Fetch{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"B64=dQ==", "DEEP=true", `JSON="u"`, `LIST=["x",{"b/c":true}]`, "LIT=vault:not/a#ref", "PORT=5432", "SAME=p<&>ä",
		"URL=postgres://v-user:pw%201%2F2@h/d", "USER_=u",
	}
	if !slices.Equal(r.Environ, want) {
		t.Errorf("environ:\n%q\nwant:\n%q", r.Environ, want)
	}
	if !maps.Equal(f.asked, map[string]int{"kv/data/app": 1, "db/creds": 1}) {
		t.Errorf("reads: %v, want one each", f.asked)
	}
}

func TestLevels(t *testing.T) {
	f := newFake()
	f.secrets[".env"] = map[string]any{"FALL": "fallback", "ENV": "no", "CONF": "fallback", "FLAG": "fallback", "HOME_": "f"}
	in := Input{
		Inherited: []string{"INH=inherited", "CONF=inherited", "FLAG=inherited", "KEEP=kept", "REF=vault:kv/app#user", "DB=file:./dev.db"},
		Vars: []Var{
			{Name: "CONF", Text: "config", Level: LevelConfig, Origin: "vwrap.yaml:1"},
			{Name: "FLAG", Text: "config", Level: LevelConfig, Origin: "vwrap.yaml:2"},
			{Name: "KEEP", Text: "vault:kv/other#gone", Level: LevelConfig, Origin: "vwrap.yaml:3"}, // preserved: never fetched
			{Name: "FLAG", Text: "", Level: LevelFlag, Origin: "-e"},
		},
		Fallback: []string{".env"}, Preserve: []string{"KEEP"},
	}
	r, err := resolve(t, f, in, Fetch{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"CONF=config", "DB=file:./dev.db", "FALL=fallback", "FLAG=", "HOME_=f", "INH=inherited", "KEEP=kept", "REF=u"}
	if !slices.Equal(r.Environ, want) {
		t.Errorf("environ:\n%q\nwant:\n%q", r.Environ, want)
	}
	if f.asked["kv/data/other"] != 0 {
		t.Error("what --preserve-env overrides was fetched")
	}
	if len(r.Warnings) != 1 || !strings.Contains(r.Warnings[0], `"ENV" would set ENV`) {
		t.Errorf("warnings: %q", r.Warnings)
	}
}

// TestSecrets: what is to be kept from sight is what was read, as it was read and as it is injected.
func TestSecrets(t *testing.T) {
	f := newFake()
	f.secrets[".env.defaults"] = map[string]any{"LOG": "debug", "UNUSED": "lowest"}
	in := flags("URL=http://${vault:kv/app#password | urlencode}@host", "PORT=vault:kv/app#port", "PLAIN=debug", "D=dotenv:.env#KEY")
	f.secrets[".env"] = map[string]any{"KEY": "of a file"}
	in.Fallback = []string{".env.defaults"}
	in.Inherited = []string{"OWN=own", "USER_NAME=vault:kv/app#user"}
	r, err := resolve(t, f, in, Fetch{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"5432", "http://p%3C%26%3E%C3%A4@host", "of a file", "p<&>ä", "u"}
	if got := r.Secrets(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	lasting := map[string]string{
		"D": "of a file", "PORT": "5432", "URL": "http://p%3C%26%3E%C3%A4@host", "USER_NAME": "u", "kv/data/app#password": "p<&>ä",
	}
	if got := r.Lasting(); !maps.Equal(got, lasting) {
		t.Errorf("lasting are %q", got)
	}
	if names := slices.Sorted(maps.Keys(r.Injected)); !slices.Equal(names, []string{"D", "LOG", "PLAIN", "PORT", "UNUSED", "URL", "USER_NAME"}) {
		t.Errorf("injected are %q", names)
	}
}

func TestPristine(t *testing.T) {
	in := flags("A=1")
	in.Inherited, in.Pristine, in.Preserve = []string{"PATH=/bin", "EDITOR=vi", "REF=vault:kv/app#user", "ASKED=1"}, true, []string{"ASKED"}
	r, err := resolve(t, newFake(), in, Fetch{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"A=1", "ASKED=1", "PATH=/bin", "REF=u"}; !slices.Equal(r.Environ, want) {
		t.Errorf("environ %q, want %q", r.Environ, want)
	}
}

func TestWholeSecrets(t *testing.T) {
	f := newFake()
	f.secrets["kv/data/all"] = map[string]any{"api-key": "k", "LD_PRELOAD": "evil", "path": "evil", "1st": "one", "n": 1}
	in := Input{Secrets: []Secret{{Read: Read{Source: SourceVault, Path: "kv/all", Method: MethodRead}, Level: LevelFlag, Origin: "--from kv/all"}}}
	r, err := resolve(t, f, in, Fetch{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"API_KEY=k", "N=1", "_1ST=one"}; !slices.Equal(r.Environ, want) {
		t.Errorf("environ %q, want %q", r.Environ, want)
	}
	if len(r.Warnings) != 2 {
		t.Errorf("warnings: %q, want one for LD_PRELOAD and one for PATH", r.Warnings)
	}
	in.Secrets[0].Prefix = "X_"
	if r, err = resolve(t, f, in, Fetch{}); err != nil || !slices.Contains(r.Environ, "X_LD_PRELOAD=evil") {
		t.Errorf("with a prefix: %q, %v", r.Environ, err)
	}
}

// Who writes a secret does not fill the screen of who reads it.
func TestManyFieldsAreTold(t *testing.T) {
	f := newFake()
	forbidden, wrong, huge := map[string]any{}, map[string]any{}, map[string]any{}
	for i := range 1000 {
		forbidden[fmt.Sprintf("LD_%03d", i)] = "hush"
		wrong[fmt.Sprintf("a%03d", i)], wrong[fmt.Sprintf("A%03d", i)] = "hush", "hush"
		huge[fmt.Sprintf("a%03d", i)] = "nul\x00"
	}
	huge[strings.Repeat("Z", 1<<20)] = "nul\x00"
	f.secrets["kv/data/forbidden"], f.secrets["kv/data/wrong"], f.secrets["kv/data/huge"] = forbidden, wrong, huge
	whole := func(path string) Input {
		return Input{Secrets: []Secret{{Read: Read{Source: SourceVault, Path: path, Method: MethodRead}, Level: LevelFlag, Origin: "--from " + path}}}
	}
	r, err := resolve(t, f, whole("kv/forbidden"), Fetch{})
	if n := len(r.Warnings); err != nil || n != 21 || r.Warnings[20] != "kv/forbidden: and 980 more like these" {
		t.Errorf("%d warnings, the last is %q; %v", n, r.Warnings[n-1], err)
	}
	_, err = resolve(t, f, whole("kv/wrong"), Fetch{})
	if lines := strings.Split(fmt.Sprint(err), "\n"); len(lines) != 21 || lines[20] != "kv/wrong: and 980 more like these" || !errors.Is(err, ErrClash) {
		t.Errorf("%d lines, the last is %q", len(lines), lines[len(lines)-1])
	}
	for _, in := range []Input{whole("kv/huge"), flags("A=vault:kv/huge#none")} {
		if _, err = resolve(t, f, in, Fetch{}); err == nil || len(err.Error()) > 1000 || !strings.Contains(err.Error(), ", and 981 more") {
			t.Errorf("%.200q", fmt.Sprint(err))
		}
	}
}

// Every error of a start is told, all at once.
func TestAllErrorsTogether(t *testing.T) {
	f := newFake()
	f.errs["db/creds"] = Mark(errors.New("db/creds: permission denied"), ErrDenied)
	in := flags("A=vault:kv/app#passwort", "B=vault:kv/none#x", "C=vault:db/creds#username", "D=vault:kv/app#user")
	r, err := resolve(t, f, in, Fetch{})
	want := `A: kv/data/app has no field "passwort" (it has: nested, password, port, user)
B: nothing at kv/data/none
C: db/creds: permission denied`
	if err == nil || err.Error() != want {
		t.Errorf("error:\n%v\nwant:\n%s", err, want)
	}
	if !errors.Is(err, ErrDenied) || !errors.Is(err, ErrMissing) {
		t.Error("the error's kinds are lost")
	}
	if r.Environ != nil {
		t.Error("an environment in spite of errors")
	}
}

func TestAFailedStartReportsItsLeases(t *testing.T) {
	r, err := resolve(t, newFake(), flags("A=vault:db/creds#username", "B=vault:kv/none#x"), Fetch{})
	if err == nil || len(r.Holdings) != 1 || r.Holdings[0].LeaseID == "" {
		t.Errorf("holdings %+v, error %v: the lease must be there, to be released", r.Holdings, err)
	}
	r, err = resolve(t, newFake(), flags("A=vault:db/creds#nofield"), Fetch{})
	if err == nil || len(r.Holdings) != 1 {
		t.Errorf("holdings %+v, error %v: a lease whose fields do not fit is a lease", r.Holdings, err)
	}
}

func TestClashesAndNames(t *testing.T) {
	_, err := NewPlan(Input{Vars: []Var{
		{Name: "A", Text: "1", Level: LevelConfig, Origin: "vwrap.yaml:3"},
		{Name: "A", Text: "2", Level: LevelConfig, Origin: "vwrap.yaml:9"},
		{Name: "B=C", Text: "1", Level: LevelFlag, Origin: "-e"},
		{Name: "", Text: "1", Level: LevelFlag, Origin: "-e"},
		{Name: "D", Text: "vault:x", Level: LevelFlag, Origin: "-e"},
	}})
	want := `A: clash: set by both vwrap.yaml:3 and vwrap.yaml:9
-e: bad variable name "B=C" (empty, or with "=" or NUL in it)
-e: bad variable name "" (empty, or with "=" or NUL in it)
D: malformed reference at position 8: "x" names no field (want vault:PATH#FIELD) (-e)`
	if err == nil || err.Error() != want {
		t.Errorf("error:\n%v\nwant:\n%s", err, want)
	}
	f := newFake()
	in := flags("USER_=1", "PORT=1")
	in.Secrets = []Secret{{Read: Read{Source: SourceVault, Path: "kv/app", Method: MethodRead}, Level: LevelFlag, Origin: "--from kv/app"}}
	if _, err := resolve(t, f, in, Fetch{}); !errors.Is(err, ErrClash) || !strings.Contains(err.Error(), "PORT: clash") {
		t.Errorf("a whole secret's clash: %v", err)
	}
}

func TestOptional(t *testing.T) {
	f := newFake()
	f.secrets[".env"] = map[string]any{"A": "fallback"}
	in := flags("A=vault:kv/none#x?optional", "B=vault:kv/none#x?optional", "C=vault:kv/app#user?optional")
	in.Fallback = []string{".env"}
	r, err := resolve(t, f, in, Fetch{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"A=fallback", "C=u"}; !slices.Equal(r.Environ, want) {
		t.Errorf("environ %q, want %q", r.Environ, want)
	}
	if want := []string{"A, B: nothing at kv/data/none: taking the fallback"}; !slices.Equal(r.Warnings, want) {
		t.Errorf("warnings %q, want %q", r.Warnings, want)
	}
	f.errs["kv/data/app"] = Mark(errors.New("no answer"), ErrUnavailable)
	if r, err = resolve(t, f, in, Fetch{Again: patient}); err != nil || slices.ContainsFunc(r.Environ, func(e string) bool { return strings.HasPrefix(e, "C=") }) {
		t.Errorf("unavailable and optional: %q, %v", r.Environ, err)
	}
	f.errs["kv/data/app"] = Mark(errors.New("denied"), ErrDenied)
	if _, err = resolve(t, f, in, Fetch{}); err == nil {
		t.Error("a denial is no absence")
	}
}

// What is not due is carried over: a change of a KV secret mints no database user.
func TestCarry(t *testing.T) {
	f := newFake()
	in := flags("A=vault:kv/app#user", "B=vault:db/creds#username")
	first, err := resolve(t, f, in, Fetch{})
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := wire.Write(&text, first.Carry); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), "pw 1/2") {
		t.Error("a field that nothing uses is kept")
	}
	var carry Carry
	if err := wire.Read(&text, &carry); err != nil {
		t.Fatal(err)
	}
	f.secrets["kv/data/app"]["user"] = "changed"
	key := first.Carry.Located[in.Vars[0].read(t)]
	second, err := resolve(t, f, in, Fetch{Carry: carry, Due: []string{key}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"A=changed", "B=v-user"}; !slices.Equal(second.Environ, want) {
		t.Errorf("environ %q, want %q", second.Environ, want)
	}
	if f.asked["db/creds"] != 1 || len(second.Holdings) != 1 || second.Holdings[0].Key != key {
		t.Errorf("reads %v, holdings %+v: only what was due may be read", f.asked, second.Holdings)
	}

	f.errs["kv/data/app"] = Mark(errors.New("no answer"), ErrUnavailable)
	third, err := resolve(t, f, in, Fetch{Carry: second.Carry, Due: []string{key}})
	if err != nil || !slices.Equal(third.Environ, second.Environ) || third.Failed[key] == "" {
		t.Errorf("a due read that fails: %q, failed %v, %v: want the old value and the reason", third.Environ, third.Failed, err)
	}
	f.errs["kv/data/app"] = Later(f.errs["kv/data/app"], time.Minute)
	for _, strict := range []bool{false, true} {
		r, err := resolve(t, f, in, Fetch{Carry: second.Carry, Due: []string{key}, Strict: strict})
		if r.Wait != time.Minute {
			t.Errorf("the server asks for a minute, told is %s", r.Wait)
		}
		if strict && err == nil {
			t.Error("strict: the old value is dead, so this must fail")
		}
	}
	delete(f.errs, "kv/data/app")
	delete(f.secrets, "kv/data/app")
	fourth, err := resolve(t, f, in, Fetch{Carry: second.Carry, Due: []string{key}})
	if err != nil || !slices.Equal(fourth.Environ, second.Environ) || len(fourth.Warnings) != 1 {
		t.Errorf("deleted mid-run: %q, %q, %v: want the old value and a warning", fourth.Environ, fourth.Warnings, err)
	}
	if fourth.Holdings[0].Digest != second.Holdings[0].Digest {
		t.Error("deleted mid-run: a kept value must not look changed")
	}
}

// read is the key of the one read that v's text refers to.
func (v Var) read(t *testing.T) string {
	template, err := ParseTemplate(v.Text)
	if err != nil {
		t.Fatal(err)
	}
	return template.Refs()[0].Read.Key()
}

func TestProbe(t *testing.T) {
	f := newFake()
	in := flags("A=vault:kv/app#user", "B=vault:db/creds#username")
	first, err := resolve(t, f, in, Fetch{})
	if err != nil {
		t.Fatal(err)
	}
	p, _ := NewPlan(in)
	key := first.Carry.Located[in.Vars[0].read(t)]
	probe := func() Holding {
		t.Helper()
		r, err := Probe(t.Context(), p, Fetch{
			Sources: map[string]Source{SourceVault: f}, Digest: func(b []byte) string { return string(b) }, Carry: first.Carry, Due: []string{key},
		})
		if err != nil || len(r.Holdings) != 1 {
			t.Fatalf("probe: %+v, %v", r.Holdings, err)
		}
		return r.Holdings[0]
	}
	before := first.Carry.Answers[key].Digest
	f.secrets["kv/data/app"]["password"] = "a field that nothing uses"
	if got := probe(); got.Digest != before {
		t.Error("a change of an unused field looks like a change")
	}
	f.secrets["kv/data/app"]["user"] = "new"
	if got := probe(); got.Digest == before || !slices.Equal(got.Variables, []string{"A"}) {
		t.Errorf("a change is not seen: %+v", got)
	}
	if f.asked["db/creds"] != 1 {
		t.Error("a probe minted a lease")
	}
}

func TestAttemptWaitsForAServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := Mark(errors.New("down"), ErrUnavailable)
		began, tries := time.Now(), 0
		got, err := Attempt(t.Context(), patient, func() (int, error) {
			if tries++; tries < 5 {
				return 0, down
			}
			return 7, nil
		})
		if got != 7 || err != nil || time.Since(began) == 0 {
			t.Errorf("%d, %v after %s", got, err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := Attempt(ctx, patient, func() (int, error) { return 0, down }); !errors.Is(err, ErrUnavailable) || ctx.Err() == nil {
			t.Errorf("gave up early: %v", err)
		}
		tries = 0
		if _, err := Attempt(t.Context(), patient, func() (int, error) { tries++; return 0, ErrDenied }); tries != 1 || err == nil {
			t.Errorf("a refusal was asked again %d times", tries)
		}
	})
}

// Who has waited long is asked less often of, but neither much later than it could be nor not at all at the end.
func TestAttemptAsksLessAndLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, away := range []time.Duration{5 * time.Second, time.Minute, 10 * time.Minute} {
			ctx, cancel := context.WithTimeout(t.Context(), away*5/4+3*time.Second)
			began, tries := time.Now(), 0
			_, err := Attempt(ctx, patient, func() (int, error) {
				if tries++; time.Since(began) < away {
					return 0, Mark(errors.New("down"), ErrUnavailable)
				}
				return 7, nil
			})
			cancel()
			if late := time.Since(began) - away; err != nil || late > away/3+3*time.Second || tries > 60 {
				t.Errorf("away for %s: had %s later, after %d tries: %v", away, late, tries, err)
			}
		}
	})
}

// patient goes on asking.
func patient(error) {}

// Who waits is told what for, after a while and once.
func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []string
		begin := func() *Patience { return NewPatience(func(problem string) { said = append(said, problem) }) }

		short := begin()
		short.Again(Mark(errors.New("down"), ErrUnavailable))
		time.Sleep(sayAfter - 1)
		short.Done()

		silent := begin() // not even an error has come
		time.Sleep(time.Minute)
		silent.Done()

		down := begin()
		down.Again(Mark(errors.New("down"), ErrUnavailable))
		down.Again(Mark(errors.New("sealed"), ErrUnavailable))
		time.Sleep(time.Minute)
		down.Again(Mark(errors.New("down"), ErrUnavailable))
		down.Done()

		time.Sleep(time.Minute)
		if want := []string{"", "sealed"}; !slices.Equal(said, want) {
			t.Errorf("said is %q, not %q", said, want)
		}
	})
}
