package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// Hide is what types that hold secrets as plain text write where one is printed, by whatever verb. What reads their fields is not kept from
// it: so they travel from process to process.
func Hide(s fmt.State) { _, _ = io.WriteString(s, redacted) }

// Hidden is the same for a log.
var Hidden = slog.StringValue(redacted)
