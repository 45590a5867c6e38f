#!/usr/bin/env bash
# The broken stack that the demo repairs: brings it up, always in its broken state, and takes it down again.
#
#   demo-stack.sh up         copy the files, make secrets, start the three projects, wait until the fault shows
#   demo-stack.sh down       remove what carries the label bulkhead.demo, and the folder
#   demo-stack.sh status     what there is of it
#   demo-stack.sh preflight  say whether anything that isn't the demo's own is in its way
#
# BULKHEAD_DEMO_DIR (absolute; default: .demo in the checkout) is where it lives.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="${here%/*}"
# shellcheck source=scripts/lib.sh
source "$here/lib.sh"

demo_dir="${BULKHEAD_DEMO_DIR:-$root/.demo}"
source_dir="$root/demo"
label="bulkhead.demo"
marker=".bulkhead-demo"
wait_s=90

projects=(supabase localai archon)
containers=(supabase-ai-db supabase-ai-rest supabase-ai-gateway
  archon-server archon-mcp archon-agent-work-orders archon-ui localai-postgres-1)
networks=(supabase-ai_default archon_app-network localai_default sporterp-ai-unified)
volumes=(supabase-ai_db-data localai_postgres-data)
ports=(18000 8181 8051 8053 3737 5433)

usage() {
  echo "usage: ${0##*/} up|down|status|preflight" >&2
  exit 2
}

check_folder() {
  case "$demo_dir" in
    /) die "BULKHEAD_DEMO_DIR must not be the root folder" ;;
    /*) ;;
    *) die "BULKHEAD_DEMO_DIR must be an absolute path, not '$demo_dir'" ;;
  esac
  if [[ -e $demo_dir && ! -f $demo_dir/$marker ]]; then
    # An empty folder holds nothing that could be lost.
    [[ -d $demo_dir && -z "$(ls -A "$demo_dir")" ]] || die "$demo_dir exists and isn't the demo's: it has no file $marker"
  fi
}

# --- the user's machine comes first ---------------------------------------------------------------------------------

# Prints the name of an object that exists and doesn't carry the demo's label.
foreign() {
  local kind="$1" name="$2" format="{{ index .Labels \"$label\" }}" value
  [[ $kind == container ]] && format="{{ index .Config.Labels \"$label\" }}"
  value="$(docker "$kind" inspect --format "$format" "$name" 2>/dev/null)" || return 0
  [[ $value == true ]] || echo "the $kind $name exists and isn't the demo's"
}

listening_ports() {
  # The kernel's own tables (column 4 is the state, 0A listens): not every machine has ss.
  awk '$4 == "0A" {n = split($2, part, ":"); print part[n]}' /proc/net/tcp /proc/net/tcp6 2>/dev/null |
    sort -u | while read -r hex; do echo $((16#$hex)); done
}

own_ports() {
  local ids
  mapfile -t ids < <(docker ps -q --filter "label=$label=true")
  ((${#ids[@]})) || return 0
  docker inspect --format \
    '{{ range $port, $bindings := .NetworkSettings.Ports }}{{ range $bindings }}{{ println .HostPort }}{{ end }}{{ end }}' "${ids[@]}"
}

obstacles() {
  local name port listening own
  for name in "${containers[@]}"; do foreign container "$name"; done
  for name in "${networks[@]}"; do foreign network "$name"; done
  for name in "${volumes[@]}"; do foreign volume "$name"; done
  listening=" $(listening_ports | tr '\n' ' ')"
  own=" $(own_ports | tr '\n' ' ')"
  for port in "${ports[@]}"; do
    if [[ $listening == *" $port "* && $own != *" $port "* ]]; then
      echo "something that isn't the demo's listens on port $port"
    fi
  done
}

preflight() {
  local found
  need_cmd docker python3
  engine_answers || die "no Docker engine answers; scripts/bootstrap.sh engine starts one"
  docker compose version >/dev/null 2>&1 || die "Docker Compose v2 is missing; scripts/bootstrap.sh engine installs it"
  check_folder
  found="$(obstacles)"
  if [[ -n $found ]]; then
    say "the demo would be in the way of what is here; nothing was touched:" >&2
    printf '  - %s\n' "${found//$'\n'/$'\n'  - }" >&2
    exit 1
  fi
}

# --- up -------------------------------------------------------------------------------------------------------------

# Secrets of this demo alone. Made in Python, for the tokens' signatures; written, never printed.
make_secrets() {
  DEMO_DIR="$demo_dir" python3 - <<'PYTHON'
import base64
import hashlib
import hmac
import json
import os
import secrets
import time

folder = os.environ["DEMO_DIR"]


def encoded(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token(role, secret):
    now = int(time.time())
    claims = {"role": role, "iss": "supabase", "iat": now, "exp": now + 10 * 365 * 86400}
    text = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return text + "." + encoded(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())


def write(path, text):
    with open(os.open(os.path.join(folder, path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)


def fill_in(project, values):
    """.env from .env.example: its empty values get ours, everything else stays."""
    with open(os.path.join(folder, project, ".env.example")) as stream:
        lines = stream.read().splitlines()
    filled = [line + values[line[:-1]] if line.endswith("=") and line[:-1] in values else line for line in lines]
    write(os.path.join(project, ".env"), "\n".join(filled) + "\n")


jwt_secret = secrets.token_hex(20)
anon, service = token("anon", jwt_secret), token("service_role", jwt_secret)
fill_in(
    "supabase",
    {
        "POSTGRES_PASSWORD": secrets.token_hex(16),
        "JWT_SECRET": jwt_secret,
        "ANON_KEY": anon,
        "SERVICE_ROLE_KEY": service,
    },
)
fill_in("archon", {"SUPABASE_SERVICE_KEY": service})
fill_in("localai", {"LANGFUSE_POSTGRES_PASSWORD": secrets.token_hex(16)})
write("supabase/volumes/api/keys.map", f'"{anon}" 1;\n"{service}" 1;\n')
PYTHON
}

copy_files() {
  # The containers' users read these files, whatever the caller's umask is.
  umask 022
  mkdir -p "$demo_dir"
  echo "Made by scripts/demo-stack.sh; 'demo-stack.sh down' removes this folder." >"$demo_dir/$marker"
  cp -R "$source_dir/." "$demo_dir/"
  chmod -R u+rwX,go+rX "$demo_dir"
  make_secrets
}

compose() {
  local project="$1"
  shift
  # The projects' names stand in their files; one from the caller's environment would make other containers.
  (cd "$demo_dir/$project" && env -u COMPOSE_PROJECT_NAME -u COMPOSE_FILE docker compose "$@")
}

start_projects() {
  local project pids=() failed=()
  docker network create --label "$label=true" sporterp-ai-unified >/dev/null
  for project in "${projects[@]}"; do
    compose "$project" up -d >"$demo_dir/$project.log" 2>&1 </dev/null &
    pids+=("$!")
  done
  for index in "${!projects[@]}"; do
    wait "${pids[$index]}" || failed+=("${projects[$index]}")
  done
  for project in "${failed[@]}"; do
    tail -n 20 "$demo_dir/$project.log" >&2
  done
  ((${#failed[@]} == 0)) || die "docker compose up failed in: ${failed[*]}"
}

wait_for() {
  local what="$1" deadline=$((SECONDS + wait_s))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || die "waited $wait_s s in vain until $what"
    # Only the pause between two looks.
    sleep 0.2
  done
  say "$what"
}

health_is() {
  [[ "$(docker inspect --format '{{ if .State.Health }}{{ .State.Health.Status }}{{ end }}' "$1" 2>/dev/null)" == "$2" ]]
}

all_run() {
  local name
  for name in "${containers[@]}"; do
    [[ "$(docker inspect --format '{{ .State.Running }}' "$name" 2>/dev/null)" == true ]] || return 1
  done
}

# Through the gateway, with the key: nothing less proves that the rows can be read.
settings_are_served() {
  python3 - "$demo_dir/archon/.env" <<'PYTHON'
import json
import sys
import urllib.request

with open(sys.argv[1]) as stream:
    values = dict(line.rstrip("\n").split("=", 1) for line in stream if "=" in line and not line.startswith("#"))
request = urllib.request.Request(
    "http://127.0.0.1:18000/rest/v1/archon_settings?select=key", headers={"apikey": values["SUPABASE_SERVICE_KEY"]}
)
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    with opener.open(request, timeout=3) as response:
        sys.exit(0 if len(json.load(response)) == 45 else 1)
except OSError:
    sys.exit(1)
PYTHON
}

up() {
  preflight
  remove_all
  copy_files
  say "starting the stack in $demo_dir"
  start_projects
  wait_for "the database is healthy" health_is supabase-ai-db healthy
  wait_for "Langfuse's database is healthy" health_is localai-postgres-1 healthy
  wait_for "the settings are served on port 18000" settings_are_served
  wait_for "all containers run" all_run
  wait_for "archon-mcp is healthy" health_is archon-mcp healthy
  wait_for "archon-agent-work-orders is healthy" health_is archon-agent-work-orders healthy
  wait_for "archon-server is unhealthy, as it should be: it can't find host.docker.internal" health_is archon-server unhealthy
}

# --- down -----------------------------------------------------------------------------------------------------------

remove_all() {
  local ids
  mapfile -t ids < <(docker ps -aq --filter "label=$label=true")
  # What Compose was given later (a service that extends one of ours, a network of a copy) carries the label too, or is
  # attached to a network that does and then stops its removal: such a guest is disconnected, not removed.
  if ((${#ids[@]})); then docker rm -f -v "${ids[@]}" >/dev/null; fi
  mapfile -t ids < <(docker network ls -q --filter "label=$label=true")
  if ((${#ids[@]})); then
    local network guest
    for network in "${ids[@]}"; do
      while read -r guest; do
        [[ -z $guest ]] || docker network disconnect -f "$network" "$guest"
      done < <(docker network inspect --format '{{ range .Containers }}{{ println .Name }}{{ end }}' "$network")
    done
    docker network rm "${ids[@]}" >/dev/null
  fi
  mapfile -t ids < <(docker volume ls -q --filter "label=$label=true")
  if ((${#ids[@]})); then docker volume rm "${ids[@]}" >/dev/null; fi
  if [[ -f $demo_dir/$marker ]]; then rm -rf -- "$demo_dir"; fi
}

down() {
  check_folder
  if engine_answers; then
    remove_all
    say "the demo is gone"
  else
    die "no Docker engine answers: its containers can't be removed"
  fi
}

status() {
  engine_answers || die "no Docker engine answers"
  docker ps -a --filter "label=$label=true" --format 'table {{.Names}}\t{{.Status}}\t{{.Ports}}'
  docker network ls --filter "label=$label=true" --format 'network {{.Name}}'
  docker volume ls --filter "label=$label=true" --format 'volume {{.Name}}'
  if [[ -f $demo_dir/$marker ]]; then echo "folder $demo_dir"; fi
}

(($# == 1)) || usage
case "$1" in
  up) up ;;
  down) down ;;
  status) status ;;
  preflight)
    preflight
    say "nothing is in the demo's way"
    ;;
  *) usage ;;
esac
