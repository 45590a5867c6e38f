#!/usr/bin/env bash
# Removes what bootstrap.sh has made on this machine: the images of images/, the files it installed and its cache folder.
# Packages stay, for others may use them by now; the command that removes them is printed.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="${here%/*}"
# shellcheck source=scripts/lib.sh
source "$here/lib.sh"

# The folder is somebody's choice (BULKHEAD_CACHE): only one that bootstrap.sh has used is removed.
if [[ ! -f $BULKHEAD_CACHE/bootstrap.lock ]]; then
  say "nothing to remove: $BULKHEAD_CACHE isn't bootstrap.sh's"
  exit 0
fi

labelled_images() {
  docker image ls -aq --no-trunc --filter label=bulkhead.image | sort -u
}

# A parent goes only after its children, whatever order they are listed in; each round takes the outermost ones.
remove_images() {
  local ids before=0
  mapfile -t ids < <(labelled_images)
  while ((${#ids[@]} > 0 && ${#ids[@]} != before)); do
    before=${#ids[@]}
    docker image rm -f "${ids[@]}" >/dev/null 2>&1 || true
    mapfile -t ids < <(labelled_images)
  done
  ((${#ids[@]} == 0)) || die "images that containers still use: $(docker image ls --filter label=bulkhead.image --format '{{ .Repository }}:{{ .Tag }}' | tr '\n' ' ')"
}

# Needs the engine to be up, and stops it again afterwards if it is bootstrap.sh's own.
"$here/demo-down.sh"
if ! engine_answers && command -v dockerd >/dev/null; then
  "$here/bootstrap.sh" engine
fi
if engine_answers; then
  remove_images
  say "the images are gone"
  if [[ -z "$(docker ps -q)" ]]; then "$here/engine-down.sh"; fi
fi

if [[ -s $BULKHEAD_CACHE/files-installed ]]; then
  while read -r file; do
    rm -f -- "$file"
    say "removed $file"
  done <"$BULKHEAD_CACHE/files-installed"
fi
packages="$(sort -u "$BULKHEAD_CACHE/packages-installed" 2>/dev/null | tr '\n' ' ' || true)"
rm -rf -- "$BULKHEAD_CACHE" "$root/tests/output"
say "removed $BULKHEAD_CACHE and tests/output"
if [[ -n $packages ]]; then
  say "these packages were installed and stay; this removes them: apt-get purge ${packages% }"
fi
