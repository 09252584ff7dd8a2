package e2e

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// eventually DURATION [!] CMD [ARG...] repeats a command of this suite, grep or exec until it succeeds (or, with !,
// fails).
func eventually(s *session, args []string) error {
	const usage = usageError("eventually DURATION [!] CMD [ARG...]")
	if len(args) < 2 {
		return usage
	}
	limit, err := time.ParseDuration(args[0])
	if err != nil {
		return usage
	}
	args = args[1:]
	neg := args[0] == "!"
	if neg {
		args = args[1:]
	}
	repeatable := allCommands()
	repeatable["grep"], repeatable["exec"] = grep, execQuietly
	if len(args) == 0 || repeatable[args[0]] == nil {
		return usage
	}
	final := s.out
	defer func() { s.out = final }()
	var wrong error
	err = poll(limit, 100*time.Millisecond, func() error {
		attempt := new(bytes.Buffer)
		s.out = attempt
		err := repeatable[args[0]](s, args[1:])
		if _, is := errors.AsType[usageError](err); is {
			wrong = err
			return nil
		}
		switch {
		case neg && err == nil:
			return errors.New(strings.Join(args, " ") + " succeeds")
		case !neg && err != nil:
			return err
		}
		_, err = io.Copy(final, attempt)
		return err
	})
	return errors.Join(wrong, err)
}

// grep [-count=N] REGEXP FILE is testscript's, for eventually.
func grep(s *session, args []string) error {
	flags := newFlags("grep")
	count := flags.Int("count", -1, "exactly so many matches")
	rest, err := parseMixed(flags, args)
	if err != nil || len(rest) != 2 {
		return usageError("grep [-count=N] REGEXP FILE")
	}
	pattern, err := regexp.Compile("(?m)" + rest[0])
	if err != nil {
		return usageError("grep: " + err.Error())
	}
	content, err := os.ReadFile(s.ts.MkAbs(rest[1]))
	if err != nil {
		return fmt.Errorf("read %s: %w", rest[1], err)
	}
	found := len(pattern.FindAll(content, -1))
	if found == 0 && *count < 0 || *count >= 0 && found != *count {
		return fmt.Errorf("%s has %d matches of %s", rest[1], found, rest[0])
	}
	return nil
}

// execQuietly is testscript's exec, for eventually: a try that fails is no news.
func execQuietly(s *session, args []string) error {
	if len(args) == 0 {
		return usageError("exec CMD [ARG...]")
	}
	cmd, err := s.prepare(args)
	if err != nil {
		return err
	}
	cmd.Stdout = s.out
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", args[0], err, stderr.Bytes())
	}
	return nil
}

var plainVariable = regexp.MustCompile(`\$[A-Z][A-Z0-9_]*`)

// expand FILE... puts the script's variables into files: $KV, but not ${KV}, so that ${vault:…} stays.
func expand(s *session, args []string) error {
	if len(args) == 0 {
		return usageError("expand FILE...")
	}
	for _, name := range args {
		content, err := os.ReadFile(s.ts.MkAbs(name))
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		content = plainVariable.ReplaceAllFunc(content, func(name []byte) []byte {
			if value := s.ts.Getenv(string(name[1:])); value != "" {
				return []byte(value)
			}
			return name
		})
		if err := os.WriteFile(s.ts.MkAbs(name), content, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// fingerprint NAME VALUE sets NAME to what query-loop prints for the key VALUE.
func fingerprint(s *session, args []string) error {
	if len(args) != 2 {
		return usageError("fingerprint NAME VALUE")
	}
	s.ts.Setenv(args[0], fmt.Sprintf("%x", sha256.Sum256([]byte(args[1])))[:4])
	return nil
}

func newFlags(name string) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return flags
}

// parseMixed takes flags wherever they stand, and returns the rest. What looks like -1 is no flag.
func parseMixed(flags *flag.FlagSet, args []string) (rest []string, err error) {
	for len(args) > 0 {
		if _, number := strconv.Atoi(args[0]); number == nil || !strings.HasPrefix(args[0], "-") || args[0] == "-" {
			rest, args = append(rest, args[0]), args[1:]
			continue
		}
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		args = flags.Args()
	}
	return rest, nil
}
