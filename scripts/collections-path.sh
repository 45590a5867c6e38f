#!/usr/bin/env bash
# Prints the ANSIBLE_COLLECTIONS_PATH with which this checkout is bulkhead.stack and its dependencies are found.
# Ansible only finds a collection in a folder ansible_collections/<namespace>/<name>: a link to the checkout stands there.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)"
root="${here%/*}"
# shellcheck source=scripts/lib.sh
source "$here/lib.sh"

# Two clones on one machine share the cache, and each must find itself.
name="$(printf '%s' "$root" | sha256sum)"
folder="$BULKHEAD_CACHE/checkouts/${name:0:12}"
link="$folder/ansible_collections/bulkhead/stack"

mkdir -p "${link%/*}"
# Made only where it is missing or wrong, and put in place whole: others may be reading through it.
if [[ "$(readlink "$link" || true)" != "$root" ]]; then
  ln -sfn "$root" "$link.$$"
  mv -fT "$link.$$" "$link"
fi
printf '%s:%s\n' "$folder" "$BULKHEAD_CACHE/collections"
