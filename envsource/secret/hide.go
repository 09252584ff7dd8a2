package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// Hide is what types that hold secrets as plain text write where one is printed, by whatever verb. JSON is not hidden: it is how they travel
// from process to process.
func Hide(s fmt.State) { _, _ = io.WriteString(s, redacted) }

// Hidden is the same for a log.
var Hidden = slog.StringValue(redacted)
