package cli

import "github.com/vwrap/vwrap/internal/manual"

// examples are lines that a command's help ends with; name is as it is typed.
func examples(name string) []manual.Entry {
	switch name {
	case "vwrap":
		return []manual.Entry{
			{Name: "vwrap -- npm start", Text: "With what the nearest vwrap.yaml names"},
			{Name: "vwrap --from secret/dev/app -- rails server", Text: "Every field of a secret"},
			{Name: "vwrap --on-rotate overlap -P staging -- ./server", Text: "Replaced without losing a request, when a value changes"},
			{Name: "vwrap dev -- npm start", Text: "Against a development Vault, which is gone afterwards"},
		}
	case "vwrap run":
		return []manual.Entry{{Name: "vwrap run --once -- terraform plan", Text: "Fetch, and become the command"}}
	case "vwrap dev":
		return []manual.Entry{
			{Name: "vwrap dev", Text: "For other terminals, which get the two lines that it prints; until Ctrl-C"},
			{Name: "vwrap dev --drill 30s --faults outage -- npm start", Text: "A drill: how the program takes rotations, and Vault being away"},
		}
	case "vwrap check":
		return []manual.Entry{{Name: "vwrap check all --format github", Text: "In CI, all that vwrap.yaml configures"}}
	case "vwrap check parity":
		return []manual.Entry{{Name: "vwrap check parity --path secret/dev --manifest ci/required_keys.yaml", Text: "Has Vault what CI requires?"}}
	case "vwrap check address":
		return []manual.Entry{{Name: "vwrap check address", Text: "Do all files of this repository mean one Vault?"}}
	case "vwrap check ttl":
		return []manual.Entry{{Name: "vwrap check ttl --min 300s", Text: "Does all that the vwrap here holds last five minutes more?"}}
	case "vwrap check leaks":
		return []manual.Entry{{Name: "vwrap check leaks", Text: "Is a value of vwrap.yaml in a file, or on a command line?"}}
	case "vwrap exec":
		return []manual.Entry{{Name: "vwrap exec -- psql", Text: "In another terminal, with what the server has"}}
	case "vwrap status":
		return []manual.Entry{{Name: "vwrap status --min-ttl 30s", Text: "A container's HEALTHCHECK"}}
	case "vwrap rotate":
		return []manual.Entry{{Name: "vwrap rotate DB_USER", Text: "The secret that this variable is of, and what else is of it"}}
	case "vwrap export":
		return []manual.Entry{
			{Name: `eval "$(vwrap export --format shell)"`, Text: "In a shell that vwrap cannot start"},
			{Name: "vwrap export --format github", Text: "For the steps of a workflow that follow"},
		}
	case "vwrap plan":
		return []manual.Entry{{Name: "vwrap plan --ask --policy", Text: "The policy that this vwrap.yaml needs"}}
	case "vwrap doctor":
		return []manual.Entry{{Name: "vwrap doctor", Text: "What is to be mended on this machine, and at Vault"}}
	case "vwrap trust":
		return []manual.Entry{
			{Name: "vwrap trust", Text: "The address that the nearest vwrap.yaml names"},
			{Name: "vwrap trust https://vault.example:8200", Text: "This one"},
		}
	case "vwrap init":
		return []manual.Entry{{Name: "vwrap init --dry-run", Text: "What would be written, from the .env and Compose files that are here"}}
	case "vwrap hook":
		return []manual.Entry{{Name: `eval "$(vwrap hook direnv)"`, Text: "In ~/.config/direnv/direnvrc; then use vwrap in an .envrc"}}
	case "vwrap completion":
		return []manual.Entry{{Name: `eval "$(vwrap completion bash)"`, Text: "In ~/.bashrc"}}
	case "vwrap install":
		return []manual.Entry{{Name: "vwrap install /opt/vwrap", Text: "In an initContainer, into a volume that the program's container has too"}}
	case "vwrap man":
		return []manual.Entry{{Name: "vwrap man | man -l -", Text: "Where vwrap came without its manual page"}}
	}
	return nil
}
