package cli

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

func configFlag() cli.Flag {
	return &cli.StringFlag{Name: "config", EnvVars: []string{"VWRAP_CONFIG"}, Usage: "read `FILE` instead of the nearest vwrap.yaml"}
}

func profileFlag() cli.Flag {
	return &cli.StringFlag{Name: "profile", Aliases: []string{"P"}, EnvVars: []string{"VWRAP_PROFILE"}, Usage: "lay profile `NAME` of vwrap.yaml over it"}
}

// fetchFlags are those that say what is injected and where it is fetched. Each has a VWRAP_ twin in the environment, as
// those below have.
func fetchFlags() []cli.Flag {
	return []cli.Flag{
		repeatable{&cli.StringFlag{Name: "env", Aliases: []string{"e"}, EnvVars: []string{"VWRAP_ENV"}, Usage: "set `NAME=VALUE`; VALUE may be or contain references (repeatable)"}},
		repeatable{&cli.StringFlag{Name: "from", EnvVars: []string{"VWRAP_FROM"}, Usage: "set a variable for every field of the secret at `PATH` (repeatable)"}},
		configFlag(),
		profileFlag(),
		&cli.StringFlag{Name: "address", EnvVars: []string{"VWRAP_ADDRESS"}, Usage: "Vault is at `URL` (else VAULT_ADDR, BAO_ADDR, vwrap.yaml)"},
		&cli.DurationFlag{Name: "start-timeout", EnvVars: []string{"VWRAP_START_TIMEOUT"}, Usage: "try for `DURATION` to reach Vault at start", Value: 30 * time.Second},
		&cli.StringFlag{Name: "preserve-env", EnvVars: []string{"VWRAP_PRESERVE_ENV"}, Usage: "inherited values win for `A,B`"},
	}
}

func logFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "log-level", EnvVars: []string{"VWRAP_LOG_LEVEL"}, Usage: "`LEVEL` is debug, info, warn or error", DefaultText: "info"},
		&cli.StringFlag{Name: "log-format", EnvVars: []string{"VWRAP_LOG_FORMAT"}, Usage: "`FORMAT` is text or json", DefaultText: "text"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, EnvVars: []string{"VWRAP_QUIET"}, Usage: "say nothing but errors"},
	}
}

// runFlags are the flags of vwrap and vwrap run.
func runFlags() []cli.Flag {
	return slices.Concat(fetchFlags(), []cli.Flag{
		&cli.StringFlag{Name: "on-rotate", EnvVars: []string{"VWRAP_ON_ROTATE"}, Usage: "what a new value does: `ACTION` is restart, signal, overlap, none or exit"},
		&cli.StringFlag{Name: "signal", EnvVars: []string{"VWRAP_SIGNAL"}, Usage: "with --on-rotate signal, send `SIGNAL`", DefaultText: "HUP"},
		&cli.StringFlag{Name: "stop-signal", EnvVars: []string{"VWRAP_STOP_SIGNAL"}, Usage: "ask the command to end by `SIGNAL`", DefaultText: "TERM"},
		&cli.DurationFlag{Name: "stop-grace", EnvVars: []string{"VWRAP_STOP_GRACE"}, Usage: "kill the command `DURATION` after that", DefaultText: "7s"},
		&cli.GenericFlag{Name: "once", EnvVars: []string{"VWRAP_ONCE"}, Value: new(once), Usage: "fetch, then become the command: same PID, nothing is renewed; --once`=force` with leases too"},
		&cli.BoolFlag{Name: "pristine", EnvVars: []string{"VWRAP_PRISTINE"}, Usage: "the command gets only what vwrap names, and PATH, HOME, TERM, LANG, TZ, USER, SHELL"},
		repeatable{&cli.StringFlag{Name: "signal-rewrite", EnvVars: []string{"VWRAP_SIGNAL_REWRITE"}, Usage: "pass a signal on as another, `FROM:TO`; TO 0 drops it (repeatable)"}},
		&cli.BoolFlag{Name: "signal-child-only", EnvVars: []string{"VWRAP_SIGNAL_CHILD_ONLY"}, Usage: "pass signals on to the command alone, not to its process group"},
		&cli.BoolFlag{Name: "kill-stragglers", EnvVars: []string{"VWRAP_KILL_STRAGGLERS"}, Usage: "when the command has ended, end what it left running, and wait for that"},
		&cli.IntFlag{Name: "preserve-fds", EnvVars: []string{"VWRAP_PRESERVE_FDS"}, Usage: "the command gets the `N` descriptors from 3 on too"},
		&cli.BoolFlag{Name: "allow-core-dumps", EnvVars: []string{"VWRAP_ALLOW_CORE_DUMPS"}, Usage: "leave the command's core dump limits alone"},
		&cli.StringFlag{Name: "mask", EnvVars: []string{"VWRAP_MASK"}, Usage: "`WHEN` is never or always: write *** for secrets in what the command prints", DefaultText: "never"},
		&cli.BoolFlag{Name: "no-revoke", EnvVars: []string{"VWRAP_NO_REVOKE"}, Usage: "revoke nothing: leases and tokens are left to expire"},
	}, logFlags())
}

// exportFlags are the flags of vwrap export.
func exportFlags() []cli.Flag {
	return slices.Concat([]cli.Flag{
		&cli.StringFlag{Name: "format", EnvVars: []string{"VWRAP_FORMAT"}, Usage: "print `FORMAT`: " + exportFormats},
		&cli.BoolFlag{Name: "reveal", EnvVars: []string{"VWRAP_REVEAL"}, Usage: "print to a terminal too"},
		&cli.BoolFlag{Name: "allow-leased", EnvVars: []string{"VWRAP_ALLOW_LEASED"}, Usage: "take leased secrets too, and leave them to expire: nothing renews or revokes them"},
	}, fetchFlags(), logFlags())
}

// repeatable is a flag that may be given several times. Its twin in the environment is given once, as it is, and is
// nothing where the flag itself is given. (The library's own would cut values at their commas.)
type repeatable struct{ *cli.StringFlag }

// Apply implements cli.Flag.
func (f repeatable) Apply(set *flag.FlagSet) error {
	v := new(values)
	for _, variable := range f.EnvVars {
		if text, ok := os.LookupEnv(variable); ok {
			v.all, v.inherited, f.HasBeenSet = []string{text}, true, true
		}
	}
	for _, name := range f.Names() {
		set.Var(v, name, f.Usage)
	}
	return nil
}

// values is what a repeatable flag was given.
type values struct {
	all       []string
	inherited bool // it is the environment's
}

// Set implements flag.Value.
func (v *values) Set(text string) error {
	if v.inherited {
		*v = values{}
	}
	v.all = append(v.all, text)
	return nil
}

// String implements flag.Value.
func (v *values) String() string { return strings.Join(v.all, " ") }

// once is the value of --once: nothing, true, or force.
type once struct{ on, force bool }

// Set implements flag.Value.
func (o *once) Set(text string) error {
	switch text {
	case "true", "1":
		*o = once{on: true}
	case "false", "0", "":
		*o = once{}
	case "force":
		*o = once{on: true, force: true}
	default:
		return errors.New("want --once or --once=force")
	}
	return nil
}

// String implements flag.Value.
func (o *once) String() string {
	switch {
	case o.force:
		return "force"
	case o.on:
		return "true"
	}
	return ""
}

// IsBoolFlag lets --once stand alone.
func (o *once) IsBoolFlag() bool { return true }

// list is the names in "A,B".
func list(text string) (names []string) {
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// onLine reports whether flag stands on the command line itself, not in its VWRAP_ twin.
func onLine(c *cli.Context, flag string) bool {
	line, _ := c.App.Metadata[ownLine].([]string)
	return slices.ContainsFunc(line, func(arg string) bool {
		name := strings.TrimLeft(arg, "-")
		return name != arg && (name == flag || strings.HasPrefix(name, flag+"="))
	})
}

// spelled is flag with its value as the user wrote it: --stop-signal BOOM, or VWRAP_STOP_SIGNAL=BOOM.
func spelled(c *cli.Context, flag, value string) string {
	if onLine(c, flag) {
		return fmt.Sprintf("--%s %s", flag, value)
	}
	return fmt.Sprintf("VWRAP_%s=%s", strings.ToUpper(strings.ReplaceAll(flag, "-", "_")), value)
}
