#!/bin/bash
# Run in a container of an image that has the Feature with its default options, by: devcontainer features test
set -e
source dev-container-features-test-lib

check "vwrap is on PATH" vwrap version
check "it runs a command" vwrap -- true
check "it gives a value" bash -c '[ "$(vwrap -e A=literal:b -- sh -c "echo \$A")" = b ]'
check "it is what the container runs" bash -c "tr '\0' ' ' </proc/1/cmdline | grep -F /usr/local/share/vwrap/keep"
check "it keeps a command" bash -c "for p in /proc/[0-9]*; do tr '\0' ' ' <\$p/cmdline; echo; done | grep -x 'vwrap --start-timeout 24h -- sleep infinity '"

reportResults
