package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"github.com/vwrap/vwrap/envsource"
	"github.com/vwrap/vwrap/envsource/vault"
	"github.com/vwrap/vwrap/internal/courier"
	"github.com/vwrap/vwrap/internal/manual"
)

func planFlags() []cli.Flag {
	return slices.Concat([]cli.Flag{
		&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		&cli.BoolFlag{Name: "policy", Usage: "print the Vault policy that this needs, and nothing else"},
		&cli.BoolFlag{Name: "ask", Usage: "ask Vault what is mounted where: the policy is exact then"},
	}, fetchFlags(), logFlags())
}

// planned is a line of vwrap plan: a variable, or a whole secret.
type planned struct {
	Name    string   `json:"name,omitempty"`  // "" for a whole secret
	Whole   string   `json:"whole,omitempty"` // its path, with the prefix of the names that its fields become
	Prefix  string   `json:"prefix,omitempty"`
	SetBy   string   `json:"set_by"`
	Sources []string `json:"sources,omitempty"` // none is a text of its own
	Hides   []string `json:"hides,omitempty"`
	Else    []string `json:"else,omitempty"`
}

// plan says what would be injected, from where, and by which policy; names only.
func (i *invocation) plan(c *cli.Context) error {
	i.status = courier.StatusFailed
	if c.Args().Len() > 0 {
		return fmt.Errorf("vwrap plan takes no arguments but a command after \"--\", which it leaves alone, and was given %q", c.Args().First())
	}
	if c.Bool("json") && c.Bool("policy") {
		return errors.New("--json and --policy exclude each other")
	}
	if len(i.command) == 0 {
		i.command = []string{"true"} // a session is of some command; none is run
	}
	s, err := i.session(c)
	if err != nil {
		return err
	}
	var text string
	switch {
	case c.Bool("policy"):
		text, err = s.policyText(c.Context, c.Bool("ask"))
	case c.Bool("json"):
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		err = e.Encode(map[string]any{"variables": s.planned(), "kept": s.plan.Kept()})
		text = b.String()
	default:
		text = planText(s.planned(), s.plan.Kept(), styleOf(os.Getenv).Width)
	}
	if err != nil {
		return err
	}
	i.status = 0
	_, err = fmt.Fprint(c.App.Writer, text)
	return err
}

func (s *session) planned() []planned {
	all := []planned{}
	for _, e := range s.plan.Explain() {
		p := planned{Name: e.Name, SetBy: e.Origin, Hides: e.Hides, Else: e.Else}
		for _, ref := range e.Sources {
			p.Sources = append(p.Sources, ref.String())
		}
		if e.Name == "" {
			p.Whole, p.Prefix = e.Whole.Source+":"+e.Whole.String(), e.Prefix
		}
		all = append(all, p)
	}
	return all
}

// planText shows it to a person, in lines of width at most; 0 is any.
func planText(all []planned, kept []string, width int) string {
	var b strings.Builder
	names := 0
	for _, p := range all {
		names = max(names, utf8.RuneCountInString(p.label()))
	}
	if width > 0 {
		names = min(names, width/3)
	}
	for _, p := range all {
		label := p.label()
		for _, text := range p.lines() {
			if utf8.RuneCountInString(label) > names {
				fmt.Fprintf(&b, "%s\n", label)
				label = ""
			}
			fmt.Fprintf(&b, "%-*s  %s\n", names, label, manual.Fold(printable(text), names+2, width))
			label = ""
		}
	}
	if len(all) == 0 {
		b.WriteString("nothing is injected: no vwrap.yaml, -e, --from or inherited reference sets a variable\n")
	}
	if len(kept) > 0 {
		fmt.Fprintf(&b, "kept as inherited: %s\n", printable(strings.Join(kept, ", ")))
	}
	return b.String()
}

// lines are what is told of p, beside its label.
func (p planned) lines() []string {
	lines := []string{fmt.Sprintf("%s  (%s)", p.from(), p.SetBy)}
	if len(p.Else) > 0 {
		lines = append(lines, "else that of "+strings.Join(p.Else, ", then "))
	}
	if len(p.Hides) > 0 {
		lines = append(lines, "hides that of "+strings.Join(p.Hides, ", "))
	}
	return lines
}

func (p planned) label() string {
	if p.Name == "" {
		return printable(p.Prefix) + "*"
	}
	return printable(p.Name)
}

func (p planned) from() string {
	switch {
	case p.Name == "":
		return "every field of " + p.Whole
	case len(p.Sources) == 0:
		return "a text of its own"
	}
	return strings.Join(p.Sources, " and ")
}

// policyText is the policy for what Vault is asked; with ask its mounts are looked up.
func (s *session) policyText(ctx context.Context, ask bool) (string, error) {
	var uses []vault.Use
	for _, e := range s.plan.Explain() {
		if e.Name == "" && e.Whole.Source == envsource.SourceVault {
			uses = append(uses, vault.Use{Read: e.Whole, Variables: []string{"every field of " + e.Whole.String()}})
		}
		for _, ref := range e.Sources {
			if ref.Read.Source == envsource.SourceVault {
				uses = append(uses, vault.Use{Read: ref.Read, Variables: []string{e.Name}})
			}
		}
	}
	if ask {
		if err := s.locateUses(ctx, uses); err != nil {
			return "", err
		}
	}
	return vault.PolicyText(uses, s.childTTL() > 0)
}

// locateUses logs in and has Vault say what is mounted where. A token that was got for that is let go.
func (s *session) locateUses(ctx context.Context, uses []vault.Use) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	_, token, leave, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer leave()
	source, err := vault.NewSource(s.orders.Vault, token.ID)
	if err != nil {
		return err
	}
	var errs []error
	for i := range uses {
		var err error
		uses[i].Read, err = source.Locate(ctx, uses[i].Read)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
