# shellcheck shell=bash
# Sourced by the scripts beside it and by images/build.sh; it does nothing by itself.

BULKHEAD_CACHE="${BULKHEAD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bulkhead-stack}"
export BULKHEAD_CACHE

# A script that another one starts goes on counting from the first one's start.
# EPOCHREALTIME's decimal separator follows the locale, so it is cut out: microseconds are left.
BULKHEAD_STARTED_US="${BULKHEAD_STARTED_US:-${EPOCHREALTIME/[.,]/}}"
export BULKHEAD_STARTED_US

# Seconds since a time in microseconds, with one decimal, without a fork.
seconds_since() {
  local tenths=$(((${EPOCHREALTIME/[.,]/} - $1) / 100000))
  printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

say() {
  printf '[%5ss] %s\n' "$(seconds_since "$BULKHEAD_STARTED_US")" "$*"
}

die() {
  say "error: $*" >&2
  exit 1
}

need_cmd() {
  local command
  for command in "$@"; do
    command -v "$command" >/dev/null || die "the command '$command' is missing; scripts/bootstrap.sh installs what is needed"
  done
}

# A client without a server also answers `docker --version`; only this one asks the engine.
engine_answers() {
  docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

# The output is of interest only when it fails, and then all of it.
logged() {
  local log="$BULKHEAD_CACHE/logs/$1.log"
  shift
  mkdir -p "${log%/*}"
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    die "'$1' failed; its whole output is in $log"
  fi
}

# What was put on this machine is written down once, so that it can be named and taken away again.
record() {
  local file="$BULKHEAD_CACHE/$1" line
  shift
  mkdir -p "$BULKHEAD_CACHE"
  touch "$file"
  for line in "$@"; do
    grep -qxF -- "$line" "$file" || printf '%s\n' "$line" >>"$file"
  done
}

# The Debian archive this machine itself uses, whatever it is called: prints "<main uri> <security uri or ->".
# A third party's archive may use Debian's suite names too, so the origin that the archive's signed index states decides.
debian_archives() {
  local main="${BULKHEAD_DEBIAN_MIRROR:-}" security="${BULKHEAD_DEBIAN_SECURITY_MIRROR:-}"
  if [[ -z $main ]]; then
    main="$(debian_targets Debian)"
    if [[ -z $main ]]; then
      apt-get -q update >/dev/null 2>&1 || true
      main="$(debian_targets Debian)"
    fi
    security="${security:-$(debian_targets Debian-Security)}"
  fi
  [[ -n $main ]] || die "this machine's apt knows no Debian archive; name one in BULKHEAD_DEBIAN_MIRROR (and BULKHEAD_DEBIAN_SECURITY_MIRROR)"
  printf '%s %s\n' "$main" "${security:--}"
}

debian_targets() {
  # shellcheck disable=SC2016  # apt's own placeholder
  apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' "Label: $1" 'Created-By: Packages' 2>/dev/null | head -n 1
}
