#!/usr/bin/env bash
# Makes a small Debian image without a container registry: base.sh <suite> <tag> <hash>.
set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/../../scripts/lib.sh"

suite="$1" tag="$2" hash="$3"
need_cmd mmdebstrap docker

read -r main security < <(debian_archives)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
# The path is the same inside the image, where the package debian-archive-keyring puts it.
signed=""
if [[ -f $keyring ]]; then signed="[signed-by=$keyring] "; fi
sources=("deb ${signed}$main $suite main")
if [[ $security != - ]]; then sources+=("deb ${signed}$security $suite-security main"); fi

KEEP_NOTHING="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/keep-nothing.conf"
export KEEP_NOTHING

# shellcheck disable=SC2016  # the shell that mmdebstrap starts for a hook expands these
options=(
  --variant=minbase
  # These stay in the image's dpkg configuration, so that what is installed on top is as small and as quick.
  --dpkgopt=force-unsafe-io
  --dpkgopt='path-exclude=/usr/share/man/*'
  --dpkgopt='path-exclude=/usr/share/info/*'
  --dpkgopt='path-exclude=/usr/share/doc/*'
  --dpkgopt='path-include=/usr/share/doc/*/copyright'
  # Only the translations: localedef needs /usr/share/locale/locale.alias.
  --dpkgopt='path-exclude=/usr/share/locale/*/LC_MESSAGES/*'
  --aptopt='Acquire::Languages "none"'
  # Otherwise Debian 12 merges /usr with a package that needs the whole of Perl.
  --hook-dir=/usr/share/mmdebstrap/hooks/maybe-merged-usr
  # What apt keeps is only weight in an image, and more of it than the programs. mmdebstrap itself needs the kept
  # packages, so this comes at its end; the indices made until then would no longer be found by its cleaning.
  --customize-hook='cp "$KEEP_NOTHING" "$1/etc/apt/apt.conf.d/90keep-nothing" && rm -f "$1"/var/cache/apt/*.bin'
)
# How this machine reaches its archive holds for the image too: a proxy, or an archive frozen at some day.
while read -r line; do
  options+=("--aptopt=${line%;}")
done < <(apt-config dump | grep -E '^Acquire::(Check-Valid-Until|Check-Date|https?::Proxy) "[^"]+"' || true)
if [[ $main$security == *https:* ]]; then options+=(--include=ca-certificates); fi

# In memory it takes half as long, where there is room and programs may run.
shm=/dev/shm
if [[ -d $shm && "$(findmnt -n -o OPTIONS -T "$shm")" != *@(nodev|noexec)* ]] &&
  (($(df --output=avail -k "$shm" | tail -n 1) > 2000000)); then
  export TMPDIR=$shm
fi

# Named only when the whole pipeline has succeeded: the import of a stream that breaks off is an image too.
image="$(
  printf '%s\n' "${sources[@]}" |
    mmdebstrap --quiet "${options[@]}" "$suite" - - |
    docker import \
      --change 'CMD ["bash"]' \
      --change 'LABEL bulkhead.image=true' \
      --change "LABEL bulkhead.image.hash=$hash" \
      -
)"
docker tag "$image" "$tag"
