#!/bin/bash
set -e
source dev-container-features-test-lib

check "vwrap is on PATH" vwrap version
check "nothing of it runs" bash -c "! tr '\0' ' ' </proc/1/cmdline | grep -F '/usr/local/share/vwrap/keep'"

reportResults
