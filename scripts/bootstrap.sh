#!/usr/bin/env bash
# Brings up what the demo and the tests need, and only what is missing: an engine with Compose v2, the images of
# images/, a Python environment and the collections this one depends on. Run it as often as you like.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="${here%/*}"
# shellcheck source=scripts/lib.sh
source "$here/lib.sh"

# The newest series of the community package whose collections are tested with ansible-core 2.19. It is only unpacked:
# Galaxy isn't always within reach, and a Python index is needed for the environment anyway.
ansible_package="ansible==12.3.0"
# awx.awx is no dependency: awx/ is held to its modules.
collections=(community/docker community/library_inventory_filtering_v1 awx/awx)

venv="$BULKHEAD_CACHE/venv"
engine_wait_s=60

usage() {
  echo "usage: ${0##*/} [engine|images|venv|all]" >&2
  exit 2
}

# --- packages ------------------------------------------------------------------------------------------------------

# The distribution's comes first: it is built with profiles (PGO), version managers' mostly aren't, and take half as long
# again for everything.
suitable_python() {
  local candidate
  for candidate in "${BULKHEAD_PYTHON:-}" /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
    [[ -n $candidate ]] || continue
    # Prints the interpreter itself: a version manager's shim may point elsewhere tomorrow.
    "$candidate" -c 'import sys, venv, ensurepip; assert sys.version_info >= (3, 11); print(sys.executable)' 2>/dev/null && return
  done
  return 1
}

installed_packages() {
  dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' | sed -n 's/^ii //p' | sort
}

# Everything missing in one apt run: the update is the slow part.
install_packages() {
  local part="$1" missing=() added before
  if [[ $part != venv ]] && ! engine_answers && ! command -v dockerd >/dev/null; then
    missing+=(docker.io)
    # Compose networks need it, and docker.io only recommends it.
    command -v iptables >/dev/null || missing+=(iptables)
  fi
  if [[ $part != venv && $part != engine ]]; then
    command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
  fi
  if [[ $part == venv || $part == all ]]; then
    suitable_python >/dev/null || missing+=(python3 python3-venv)
  fi
  if [[ $part == all ]]; then
    # The tests have systemd judge the units that the role schedule writes, and age encrypt copies.
    command -v systemd-analyze >/dev/null || missing+=(systemd)
    command -v age >/dev/null || missing+=(age)
  fi
  ((${#missing[@]})) || return 0

  command -v apt-get >/dev/null || die "${missing[*]} missing, and there is no apt-get here to install it with"
  ((EUID == 0)) || die "${missing[*]} missing: install it, or run this as root"
  say "installing packages: ${missing[*]}"
  before="$(installed_packages)"
  # One of the machine's other archives being down is no reason to stop: the install below tells.
  logged apt-update sh -c 'apt-get -q update || true'
  logged apt-install env DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "${missing[@]}"
  mapfile -t added < <(comm -13 <(printf '%s\n' "$before") <(installed_packages))
  ((${#added[@]} == 0)) || record packages-installed "${added[@]}"
}

# --- engine --------------------------------------------------------------------------------------------------------

wait_for_engine() {
  local deadline=$((SECONDS + engine_wait_s))
  until engine_answers; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

# In a session of its own and holding nothing of ours open: whoever reads this script's output must see it end.
start_dockerd() {
  local log="$BULKHEAD_CACHE/dockerd.log"
  (
    for fd in "/proc/$BASHPID/fd"/*; do
      fd="${fd##*/}"
      # 255 is bash's own hold on this script; it isn't inherited.
      if ((fd > 2 && fd != 255)); then exec {fd}>&-; fi
    done
    cd /
    exec setsid dockerd
  ) </dev/null >"$log" 2>&1 &
  disown
}

remove_stale_pid_file() {
  local file=/var/run/docker.pid pid
  [[ -f $file ]] || return 0
  pid="$(<"$file")"
  # After a restart of the machine the number may belong to another program; dockerd would refuse all the same.
  if [[ "$(cat "/proc/$pid/comm" 2>/dev/null || true)" != dockerd ]]; then rm -f "$file"; fi
}

ensure_engine() {
  local answered_before="$1" began="${EPOCHREALTIME/[.,]/}"
  if engine_answers; then
    # A package that was just installed may have started its service by itself.
    if [[ $answered_before == no ]]; then note_engine_of_ours; fi
    say "engine: $(docker version --format '{{.Server.Version}}')"
    return
  fi
  ((EUID == 0)) || die "no engine answers; start Docker, or run this as root"
  if [[ -d /run/systemd/system ]] && systemctl cat docker.service >/dev/null 2>&1; then
    systemctl start docker
  else
    remove_stale_pid_file
    start_dockerd
  fi
  if ! wait_for_engine; then
    tail -n 20 "$BULKHEAD_CACHE/dockerd.log" >&2 2>/dev/null || true
    die "the engine didn't answer within $engine_wait_s s"
  fi
  note_engine_of_ours
  say "engine: started $(docker version --format '{{.Server.Version}}') in $(seconds_since "$began") s"
}

# scripts/engine-down.sh stops only what is noted here.
note_engine_of_ours() {
  rm -f "$BULKHEAD_CACHE/dockerd.pid" "$BULKHEAD_CACHE/engine-service"
  if [[ -d /run/systemd/system ]]; then
    echo docker >"$BULKHEAD_CACHE/engine-service"
  else
    cat /var/run/docker.pid >"$BULKHEAD_CACHE/dockerd.pid"
  fi
}

# --- Compose v2 ----------------------------------------------------------------------------------------------------

# Debian 12 has Compose v1 only. Debian 13's package holds one static program that works with Debian 12's engine.
# apt gets folders of its own for it, so the machine's sources, lists and pins stay as they are.
ensure_compose() {
  local plugin=/usr/local/lib/docker/cli-plugins/docker-compose
  local work main keyring option apt_options began="${EPOCHREALTIME/[.,]/}"
  if docker compose version >/dev/null 2>&1; then
    say "Compose: $(docker compose version --short)"
    return
  fi
  ((EUID == 0)) || die "Compose v2 is missing; install Docker's compose plugin, or run this as root"
  read -r main _ < <(debian_archives)
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  option=""
  if [[ -f $keyring ]]; then option="[signed-by=$keyring] "; fi

  work="$(mktemp -d)"
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/unpacked"
  printf 'deb %s%s trixie main\n' "$option" "$main" >"$work/sources.list"
  apt_options=(
    -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::Etc::preferencesparts=/dev/null -o Dir::Etc::preferences=/dev/null
    -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root
  )
  logged compose-update apt-get -q "${apt_options[@]}" update
  (cd "$work" && logged compose-download apt-get -q "${apt_options[@]}" download docker-compose)
  dpkg-deb --fsys-tarfile "$work"/docker-compose_*.deb | tar -x -C "$work/unpacked" --wildcards '*/cli-plugins/docker-compose'
  install -D -m 0755 "$(find "$work/unpacked" -type f -name docker-compose)" "$plugin"
  rm -rf "$work"
  record files-installed "$plugin"
  say "Compose: installed $(docker compose version --short) in $(seconds_since "$began") s"
}

# --- Python --------------------------------------------------------------------------------------------------------

ensure_venv() {
  local wanted python interpreter pip_index stamp="$venv/.made-of" began="${EPOCHREALTIME/[.,]/}"
  python="$(suitable_python)" || die "no Python 3.11 or newer with venv and ensurepip; name one in BULKHEAD_PYTHON"
  wanted="$(sha256sum <"$root/requirements/dev.txt")"
  # An upgrade of the system puts another version at the same path.
  interpreter="$python $("$python" -c 'import platform; print(platform.python_version())')"
  wanted="${wanted%% *} $interpreter"
  if [[ -x $venv/bin/python && "$(cat "$stamp" 2>/dev/null || true)" == "$wanted" ]]; then
    say "Python environment: $venv"
    return
  fi
  # An environment of another interpreter, or whose own is gone, is made anew; else it is brought up to date.
  if [[ "$(cut -d' ' -f2- "$stamp" 2>/dev/null || true)" != "$interpreter" ]] || ! "$venv/bin/python" -c '' 2>/dev/null; then
    rm -rf "$venv"
    logged venv-create "$python" -m venv "$venv"
  fi
  [[ -x $venv/bin/uv ]] || logged venv-uv "$venv/bin/pip" install --quiet uv
  # uv doesn't read pip's configuration; the one setting that decides where packages come from is handed on.
  pip_index="$("$venv/bin/pip" config get global.index-url 2>/dev/null || true)"
  if ! UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$pip_index}" UV_LINK_MODE=copy \
    "$venv/bin/uv" pip install --python "$venv/bin/python" --quiet --compile-bytecode -r "$root/requirements/dev.txt" \
    >"$BULKHEAD_CACHE/logs/venv-install-uv.log" 2>&1 </dev/null; then
    say "Python environment: uv couldn't install it, trying pip"
    logged venv-install "$venv/bin/pip" install --quiet -r "$root/requirements/dev.txt"
  fi
  printf '%s\n' "$wanted" >"$stamp"
  say "Python environment: $venv, made in $(seconds_since "$began") s"
}

ensure_collections() {
  local target="$BULKHEAD_CACHE/collections/ansible_collections" stamp work began="${EPOCHREALTIME/[.,]/}"
  stamp="$target/.source"
  if [[ "$(cat "$stamp" 2>/dev/null || true)" == "$ansible_package ${collections[*]}" ]]; then
    say "collections: $BULKHEAD_CACHE/collections"
    return
  fi
  work="$(mktemp -d)"
  logged collections-download "$venv/bin/pip" download --quiet --no-deps --only-binary :all: --dest "$work" "$ansible_package"
  # The standard library reads a wheel; unzip isn't on every machine.
  logged collections-unpack "$venv/bin/python" -c "$unpack_wheel" "$work" "$target" "${collections[@]}"
  rm -rf "$work"
  printf '%s\n' "$ansible_package ${collections[*]}" >"$stamp"
  say "collections: ${collections[*]} of $ansible_package in $(seconds_since "$began") s"
}

# Arguments: the folder with the wheel, the folder to unpack into, the collections as namespace/name.
unpack_wheel='
import pathlib, shutil, sys, zipfile
source, target, *wanted = sys.argv[1:]
for name in wanted:
    shutil.rmtree(pathlib.Path(target, name), ignore_errors=True)
(wheel,) = pathlib.Path(source).glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    for name in wanted:
        prefix = f"ansible_collections/{name}/"
        members = [member for member in archive.namelist() if member.startswith(prefix)]
        if not members:
            sys.exit(f"{wheel.name} holds no {name}")
        archive.extractall(pathlib.Path(target).parent, members)
'

# --- parts ---------------------------------------------------------------------------------------------------------

part="${1:-all}"
(($# <= 1)) || usage
case "$part" in engine | images | venv | all) ;; *) usage ;; esac
mkdir -p "$BULKHEAD_CACHE/logs"

# Two runs at once (a test started beside the demo) would both install; the second one waits and finds all in place.
exec {lock}>"$BULKHEAD_CACHE/bootstrap.lock"
flock "$lock"

answered_before=no
if engine_answers; then answered_before=yes; fi
install_packages "$part"

python_job=""
if [[ $part == venv || $part == all ]]; then
  (
    ensure_venv
    ensure_collections
  ) &
  python_job=$!
fi
if [[ $part != venv ]]; then
  ensure_engine "$answered_before"
  ensure_compose
fi
if [[ $part == images || $part == all ]]; then
  "$root/images/build.sh"
fi
if [[ -n $python_job ]]; then
  wait "$python_job" || die "the Python environment isn't ready"
fi
