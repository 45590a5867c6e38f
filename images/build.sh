#!/usr/bin/env bash
# Builds the images of this folder that are missing or whose files have changed, each as soon as the ones it stands on
# are there. A folder with a Dockerfile is an image; its name is the line in the file TAG. One with a file GROUP is built
# only where it or its group is asked for.
#
#   images/build.sh [--force] [<tag or group>...]     without one: all that have no group; --force builds them again
set -euo pipefail
shopt -s nullglob extglob

images="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# shellcheck source=scripts/lib.sh
source "$images/../scripts/lib.sh"

# They need nothing but Debian packages and are the ground of all others.
declare -A suite_of=([bulkhead/debian:bookworm]=bookworm [bulkhead/debian:trixie]=trixie)

declare -A folder_of group_of parents_of hash_of have state began_at tag_of_pid
tags=()
chosen=()
logs="$BULKHEAD_CACHE/logs"

force=no
if [[ ${1:-} == --force ]]; then
  force=yes
  shift
fi

# --- what there is -------------------------------------------------------------------------------------------------

find_images() {
  local file folder tag group word words
  # Debian 12 first: more stands on it, and the longest build.
  tags=(bulkhead/debian:bookworm bulkhead/debian:trixie)
  for tag in "${tags[@]}"; do parents_of[$tag]=""; done
  for file in "$images"/*/Dockerfile; do
    folder="${file%/*}"
    [[ -f $folder/TAG ]] || die "$folder has no file TAG"
    read -r tag <"$folder/TAG" || true
    [[ -z ${folder_of[$tag]:-} ]] || die "$tag is claimed by $folder and by ${folder_of[$tag]}"
    tags+=("$tag")
    folder_of[$tag]="$folder"
    if [[ -f $folder/GROUP ]]; then
      read -r group <"$folder/GROUP" || true
      group_of[$tag]="$group"
    fi
    parents_of[$tag]=""
    while read -r -a words; do
      [[ ${words[0]:-} == FROM || ${words[0]:-} == COPY ]] || continue
      for word in "${words[@]:1}"; do
        word="${word#--from=}"
        # A COPY's own paths never begin with a name of ours.
        if [[ $word == bulkhead/*:* && " ${parents_of[$tag]}" != *" $word "* ]]; then parents_of[$tag]+="$word "; fi
      done
    done <"$file"
  done
}

# One sha256sum over everything: a call for each file would take longer than all the rest of a run without changes.
declare -A lines_of
read_files() {
  local sum file folder
  while read -r sum file; do
    folder="${file%%/*}"
    # Git keeps no more of a file's mode than this.
    if [[ -x $images/$file ]]; then sum+=" x"; fi
    lines_of[$folder]+="$sum ${file#*/}"$'\n'
  done < <(cd "$images" && find . -mindepth 2 -type f -not -path '*/__pycache__/*' -printf '%P\0' | sort -z | xargs -0 sha256sum)
}

# Without an argument: the images of no group.
choose() {
  local name tag found
  for name in "${@:-}"; do
    found=no
    for tag in "${tags[@]}"; do
      if [[ $tag == "$name" || ${group_of[$tag]:-} == "$name" ]]; then
        chosen+=("$tag")
        found=yes
      fi
    done
    [[ $found == yes ]] || die "no folder here builds $name"
  done
}

uses_shared() {
  grep -qE '^COPY( --[^ ]+)* shared/' "$1/Dockerfile"
}

# An image's hash covers the ones it stands on, so a changed base rebuilds what is on it.
find_hash() {
  local tag="$1" trail="${2:-}" parent text="$1"$'\n' folder
  [[ -z ${hash_of[$tag]:-} ]] || return 0
  [[ " $trail " != *" $tag "* ]] || die "images stand on each other in a circle: $trail $tag"
  if [[ -n ${suite_of[$tag]:-} ]]; then
    text+="${lines_of[debian]}"
  else
    folder="${folder_of[$tag]}"
    text+="${lines_of[${folder##*/}]}"
    if uses_shared "$folder"; then text+="${lines_of[shared]}"; fi
    for parent in ${parents_of[$tag]}; do
      [[ -n ${folder_of[$parent]:-}${suite_of[$parent]:-} ]] || die "$tag stands on $parent, which no folder here builds"
      find_hash "$parent" "$trail $tag"
      text+="$parent ${hash_of[$parent]}"$'\n'
    done
  fi
  hash_of[$tag]="$(sha256sum <<<"$text")"
  hash_of[$tag]="${hash_of[$tag]%% *}"
}

read_engine() {
  local hash names name
  # One question for all; an image that isn't there is only a complaint on stderr.
  while read -r hash names; do
    for name in $names; do have[$name]="$hash"; done
  done < <(docker image inspect --format '{{index .Config.Labels "bulkhead.image.hash"}} {{join .RepoTags " "}}' "${tags[@]}" 2>/dev/null || true)
}

# --- building ------------------------------------------------------------------------------------------------------

# Python packages are fetched here, where pip knows the way to an index and whom to trust; so none of that is in an image.
# Wheels only, for they are for the image's Python, and this machine's may be another. uv takes a tenth of pip's time.
fetch_packages() {
  local tag="$1" context="$2" bin="$BULKHEAD_CACHE/venv/bin" pip_index options
  [[ ${parents_of[$tag]} =~ bulkhead/python:([0-9.]+) ]] || die "$tag has a requirements.txt, but no bulkhead/python"
  [[ -x $bin/pip ]] || die "there is no $bin/pip; 'scripts/bootstrap.sh venv' makes it"
  options=(--target "$context/packages" --python-version "${BASH_REMATCH[1]}" --only-binary ":all:" --no-deps --no-compile)
  options+=(--quiet --requirement "$context/requirements.txt")
  # uv doesn't read pip's configuration; the one setting that decides where packages come from is handed on.
  pip_index="$("$bin/pip" config get global.index-url 2>/dev/null || true)"
  if ! UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$pip_index}" "$bin/uv" pip install --python "$bin/python" "${options[@]}"; then
    rm -rf "$context/packages"
    "$bin/pip" install "${options[@]}"
  fi
  # Their first lines name this machine's Python.
  rm -rf "$context/packages/bin"
}

# The same for npm's packages; none of theirs runs anything while it is installed.
fetch_node_packages() {
  need_cmd npm
  npm install --prefix "$1" --omit=dev --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error
}

build_one() {
  local tag="$1" folder context
  if [[ -n ${suite_of[$tag]:-} ]]; then
    exec "$images/debian/base.sh" "${suite_of[$tag]}" "$tag" "${hash_of[$tag]}"
  fi
  folder="${folder_of[$tag]}"
  context="$scratch/${folder##*/}"
  mkdir -p "$context"
  cp -r "$folder/." "$context/"
  if uses_shared "$folder"; then cp -r "$images/shared" "$context/shared"; fi
  if [[ -f $folder/requirements.txt ]]; then fetch_packages "$tag" "$context"; fi
  if [[ -f $folder/package.json ]]; then fetch_node_packages "$context"; fi
  # The classic builder finds local bases without a registry and needs no plugin. --force-rm: a failed step
  # leaves no container behind.
  DOCKER_BUILDKIT=0 exec docker build --force-rm --network bridge --tag "$tag" \
    --label bulkhead.image=true --label "bulkhead.image.hash=${hash_of[$tag]}" "$context"
}

ready() {
  local parent
  for parent in ${parents_of[$1]}; do
    [[ ${state[$parent]:-current} == @(current|built) ]] || return 1
  done
}

doomed() {
  local parent
  for parent in ${parents_of[$1]}; do
    if [[ ${state[$parent]:-current} == failed ]]; then return 0; fi
  done
  return 1
}

start() {
  local tag="$1" log
  log="$(log_of "$tag")"
  began_at[$tag]="${EPOCHREALTIME/[.,]/}"
  (build_one "$tag") >"$log" 2>&1 </dev/null {lock}>&- &
  tag_of_pid[$!]="$tag"
  state[$tag]=building
}

log_of() {
  local name="${1//\//-}"
  printf '%s/image-%s.log' "$logs" "${name//:/-}"
}

finish() {
  local pid="$1" result="$2" tag="${tag_of_pid[$1]}"
  unset "tag_of_pid[$pid]"
  if ((result == 0)); then
    state[$tag]=built
    say "image $tag: built in $(seconds_since "${began_at[$tag]}") s"
  else
    state[$tag]=failed
    tail -n 20 "$(log_of "$tag")" >&2
    say "image $tag: failed; the whole output is in $(log_of "$tag")" >&2
  fi
}

clean_up() {
  local pid
  trap - EXIT INT TERM
  for pid in "${!tag_of_pid[@]}"; do kill -TERM -- "-$pid" 2>/dev/null || true; done
  wait
  # Every layer made from our bases carries the label, so this takes away build stages and replaced images of ours only.
  if ((${#began_at[@]})); then docker image prune --force --filter label=bulkhead.image=true >/dev/null 2>&1 || true; fi
  rm -rf "$scratch"
}

build_all() {
  local tag pid result
  # A process group for each build, so that an interrupt reaches a whole pipeline.
  set -m
  while true; do
    for tag in "${todo[@]}"; do
      [[ ${state[$tag]} == waiting ]] || continue
      if doomed "$tag"; then
        state[$tag]=failed
        say "image $tag: not tried, what it stands on failed" >&2
      elif ready "$tag"; then
        start "$tag"
      fi
    done
    ((${#tag_of_pid[@]})) || break
    result=0
    wait -n -p pid "${!tag_of_pid[@]}" || result=$?
    finish "$pid" "$result"
  done
}

# --- run -----------------------------------------------------------------------------------------------------------

need_cmd docker
engine_answers || die "no engine answers; 'scripts/bootstrap.sh engine' starts one"
mkdir -p "$logs"
exec {lock}>"$BULKHEAD_CACHE/images.lock"
flock "$lock"

find_images
read_files
choose "$@"
for tag in "${chosen[@]}"; do find_hash "$tag"; done
read_engine

# What was asked for and what that stands on, which is exactly what has got a hash.
todo=()
for tag in "${tags[@]}"; do
  [[ -n ${hash_of[$tag]:-} ]] || continue
  if [[ $force == yes || ${have[$tag]:-} != "${hash_of[$tag]}" ]]; then
    todo+=("$tag")
    state[$tag]=waiting
  fi
done
if ((${#todo[@]} == 0)); then
  say "images: all ${#hash_of[@]} are current"
  exit 0
fi

say "images: building ${#todo[@]} of ${#hash_of[@]}"
scratch="$(mktemp -d)"
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
build_all
for tag in "${todo[@]}"; do
  [[ ${state[$tag]} != failed ]] || die "images: not all could be built"
done
