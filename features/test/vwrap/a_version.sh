#!/bin/bash
set -e
source dev-container-features-test-lib

check "vwrap is on PATH" vwrap version

reportResults
