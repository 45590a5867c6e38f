#!/usr/bin/env bash
# Takes the demo away: its containers, networks, volumes and folder, and the engine if bootstrap.sh started it.
# What was installed for it stays, and is named.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/lib.sh
source "$here/lib.sh"

# A stopped engine still holds the demo's containers and volumes.
if ! engine_answers && command -v dockerd >/dev/null; then
  "$here/bootstrap.sh" engine
fi

images=""
strangers=""
if engine_answers; then
  "$here/demo-stack.sh" down
  images="$(docker image ls --filter label=bulkhead.image --format '{{ .Repository }}:{{ .Tag }}' | sort -u)"
  strangers="$(docker ps --format '{{ .Names }}' | sort)"
else
  say "there is no Docker here, and so nothing of the demo in it"
fi

if [[ -n $strangers && (-f $BULKHEAD_CACHE/dockerd.pid || -f $BULKHEAD_CACHE/engine-service) ]]; then
  say "the engine goes on: containers that aren't the demo's run in it; scripts/engine-down.sh stops it"
  printf '  - %s\n' "${strangers//$'\n'/$'\n'  - }"
else
  "$here/engine-down.sh"
fi

named() {
  [[ -n $2 ]] || return 0
  printf '  %-10s %s\n' "$1" "${2//$'\n'/ }"
}

recorded() {
  sort -u "$BULKHEAD_CACHE/$1" 2>/dev/null || true
}

stays="$(
  named packages "$(recorded packages-installed)"
  named files "$(recorded files-installed)"
  named images "$images"
  if [[ -d $BULKHEAD_CACHE ]]; then named folder "$BULKHEAD_CACHE"; fi
)"
if [[ -n $stays ]]; then
  say "what stays, so that the next run is quick:"
  printf '%s\n' "$stays"
  say "'make clean' removes these images, files and folder, and prints the command for the packages"
fi
