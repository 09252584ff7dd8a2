package cli

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/vwrap/vwrap/internal/courier"
)

// direnvHook is the function for direnv's library. A bare eval of what vwrap prints would take a failure for an empty
// success; direnv's own direnv_load would write the values to a file.
const direnvHook = `# vwrap for direnv: in ~/.config/direnv/direnvrc
#   eval "$(vwrap hook direnv)"
# and in a project's .envrc
#   use vwrap [flags of vwrap export]
use_vwrap() {
  local vwrap_file vwrap_exports
  if vwrap_file="$(find_up vwrap.yaml)"; then
    watch_file "$vwrap_file"
  fi
  if ! vwrap_exports="$(vwrap export --format shell "$@")"; then
    log_error "use vwrap: nothing is set: see what vwrap said above"
    return 1
  fi
  eval "$vwrap_exports"
}
`

// hook prints what another program takes to work with vwrap.
func (i *invocation) hook(c *cli.Context) error {
	i.status = courier.StatusFailed
	switch {
	case c.Args().Len() == 0:
		return errors.New("say for what: vwrap hook direnv")
	case c.Args().Len() > 1 || c.Args().First() != "direnv":
		return fmt.Errorf("there is no hook for %q: vwrap hook direnv is the only one", c.Args().First())
	}
	i.status = 0
	_, err := fmt.Fprint(c.App.Writer, direnvHook)
	return err
}
