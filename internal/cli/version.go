package cli

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// release is the version; a release build sets it by -ldflags "-X …".
var release = "dev"

// version prints what this binary is.
func (i *invocation) version(c *cli.Context) error {
	info := struct {
		Version  string `json:"version"`
		Revision string `json:"revision,omitempty"`
		Go       string `json:"go"`
		Platform string `json:"platform"`
	}{Version: release, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, s := range build.Settings {
			if s.Key == "vcs.revision" {
				info.Revision = s.Value
			}
		}
	}
	i.status = 0
	if c.Bool("json") {
		return json.NewEncoder(c.App.Writer).Encode(info)
	}
	_, err := fmt.Fprintf(c.App.Writer, "vwrap %s (%s, %s)\n", info.Version, info.Go, info.Platform)
	return err
}
