#!/bin/sh
# A script that uses a new value without a restart. Run it by:
#   vwrap --on-rotate signal -e 'API_KEY=vault:secret/dev/api#key' -- sh app.sh
refresh() { eval "$(curl -s --unix-socket "$VWRAP_LIVE" 'http://vwrap/v1/env?format=dotenv')"; }

# Stands for what a script does with a key: it shows that it has one, and which process it is.
use() { echo "sh $$ uses $API_KEY"; }

trap 'refresh; use' HUP
use
while :; do sleep 60 & wait $!; done
