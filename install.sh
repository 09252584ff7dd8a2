#!/bin/sh
# Installs vwrap for one user: fetches a release, compares its checksum, and puts the program into a folder. Needs no root,
# and changes nothing else.
#
#   sh install.sh [-b FOLDER] [-v VERSION]
#
# VWRAP_INSTALL_DIR, VWRAP_INSTALL_VERSION and VWRAP_INSTALL_URL (a mirror) say the same.
set -eu

say() { printf 'install.sh: %s\n' "$*" >&2; }

die() {
  say "$*"
  exit 1
}

here() { command -v "$1" >/dev/null 2>&1; }

platform() {
  system=$(uname -s)
  machine=$(uname -m)
  case $system in
  Linux) os=linux ;;
  Darwin) os=darwin ;;
  *) os= ;;
  esac
  case $machine in
  x86_64 | amd64) arch=amd64 ;;
  aarch64 | arm64) arch=arm64 ;;
  armv7* | armv8l) arch=armv7 ;;
  *) arch= ;;
  esac
  if [ -z "$os" ] || [ -z "$arch" ] || [ "$os-$arch" = darwin-armv7 ]; then
    die "there is no vwrap for $system on $machine: build it from source with go build"
  fi
}

fetch() { # address, file
  if here curl; then
    case $1 in # where a redirect must not leave TLS
    https://*) curl -fsSL --proto '=https' --tlsv1.2 -o "$2" "$1" ;;
    *) curl -fsSL -o "$2" "$1" ;;
    esac
  else
    wget -q -O "$2" "$1"
  fi || die "cannot fetch $1: is there such a release, and does this machine reach it?"
}

checksum() { # file
  if here sha256sum; then
    sha256sum <"$1"
  elif here shasum; then
    shasum -a 256 <"$1"
  else
    openssl dgst -sha256 -r <"$1"
  fi | cut -d ' ' -f 1
}

clean() {
  rm -rf "${work:-}"
  [ -z "${staged:-}" ] || rm -f "$staged"
}

main() {
  folder=${VWRAP_INSTALL_DIR:-}
  version=${VWRAP_INSTALL_VERSION:-}
  url=${VWRAP_INSTALL_URL:-https://github.com/vwrap/vwrap/releases}
  while getopts b:v:h option; do
    case $option in
    b) folder=$OPTARG ;;
    v) version=$OPTARG ;;
    h)
      echo 'usage: sh install.sh [-b FOLDER] [-v VERSION]: the newest vwrap into ~/.local/bin, unless these say otherwise'
      exit 0
      ;;
    *) exit 2 ;;
    esac
  done
  shift $((OPTIND - 1))
  [ $# = 0 ] || die "what is $1? usage: sh install.sh [-b FOLDER] [-v VERSION]"

  for tool in uname mktemp tar gzip cut; do
    here "$tool" || die "$tool is not here: install it"
  done
  here curl || here wget || die "neither curl nor wget is here: install one"
  here sha256sum || here shasum || here openssl || die "neither sha256sum nor shasum nor openssl is here: install one, to compare the checksum"
  platform

  if [ -z "$folder" ]; then
    [ -n "${HOME:-}" ] || die "HOME is not set: name the folder with -b FOLDER"
    folder=$HOME/.local/bin
  fi
  mkdir -p "$folder" 2>/dev/null || die "cannot make $folder: choose another with -b FOLDER"
  [ -w "$folder" ] || die "cannot write to $folder: choose another with -b FOLDER"
  [ ! -d "$folder/vwrap" ] || die "$folder/vwrap is a folder: choose another with -b FOLDER"

  trap clean EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  work=$(mktemp -d)
  archive=vwrap_${os}_$arch.tar.gz
  if [ -n "$version" ]; then
    from=$url/download/v${version#v}
  else
    from=$url/latest/download
  fi
  fetch "$from/checksums.txt" "$work/checksums.txt"
  wanted=
  while read -r sum name; do
    if [ "$name" = "$archive" ]; then
      wanted=$sum
    fi
  done <"$work/checksums.txt"
  [ -n "$wanted" ] || die "$from/checksums.txt has no $archive"
  fetch "$from/$archive" "$work/$archive"
  got=$(checksum "$work/$archive")
  [ "$got" = "$wanted" ] || die "the checksum of $from/$archive is $got, and $wanted is wanted: nothing is installed"

  # Beside its place first, so that it takes it in one step, also that of one which runs.
  gzip -dc "$work/$archive" | (cd "$work" && tar -xf - vwrap) || die "$archive has no vwrap in it: nothing is installed"
  staged=$folder/.vwrap.$$
  cat "$work/vwrap" >"$staged"
  chmod 755 "$staged"
  said=$("$staged" version) || die "$archive does not run on this machine: nothing is installed"
  mv -f "$staged" "$folder/vwrap"
  say "$folder/vwrap is $said"
  case :${PATH:-}: in
  *:"$folder":*) ;;
  *) say "$folder is not on your PATH: add it, to call it vwrap" ;;
  esac
}

main "$@" # last: of a script that arrives in part nothing runs
