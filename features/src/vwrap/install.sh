#!/bin/sh
# Installs vwrap into an image, by the release's own install.sh, and what runs it when the container starts.
# VERSION, MIRROR and ENTRYPOINT are the Feature's options.
set -eu

releases=${MIRROR:-${VWRAP_INSTALL_URL:-https://github.com/vwrap/vwrap/releases}}
export VWRAP_INSTALL_URL="$releases"

here() { command -v "$1" >/dev/null 2>&1; }

# What install.sh needs, where the image lacks it.
tools() {
  if here curl || here wget; then
    return
  elif here apt-get; then
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends curl ca-certificates
    rm -rf /var/lib/apt/lists/*
  elif here apk; then
    apk add --no-cache curl ca-certificates
  elif here dnf; then
    dnf install -y curl ca-certificates
  else
    echo "vwrap: neither curl nor wget is in this image: add one to it" >&2
    exit 1
  fi
}

fetch() { # address, file
  if here curl; then curl -fsSL -o "$2" "$1"; else wget -q -O "$2" "$1"; fi
}

tools
version=${VERSION:-latest}
if [ "$version" = latest ]; then
  from=$releases/latest/download
else
  from=$releases/download/v${version#v}
  export VWRAP_INSTALL_VERSION="${version#v}"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fetch "$from/install.sh" "$work/install.sh"
sh "$work/install.sh" -b /usr/local/bin

cp -R "$(dirname "$0")/share" /usr/local/share/vwrap
chmod -R a+rX /usr/local/share/vwrap
if [ "${ENTRYPOINT:-true}" != true ]; then
  : >/usr/local/share/vwrap/entrypoint
fi
