#!/usr/bin/env bash
# The demonstration: an empty machine, a broken stack, and what the collection makes of it.
# Ends with status 0 only if everything came out right.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="${here%/*}"
# shellcheck source=scripts/lib.sh
source "$here/lib.sh"

demo_dir="${BULKHEAD_DEMO_DIR:-$root/.demo}"
export BULKHEAD_DEMO_DIR="$demo_dir"

"$here/bootstrap.sh" all
export PATH="$BULKHEAD_CACHE/venv/bin:$PATH"
ANSIBLE_COLLECTIONS_PATH="$("$here/collections-path.sh")"
# A person reads this: a line for each phase instead of each task, and a table in the end; colours on a terminal.
export ANSIBLE_COLLECTIONS_PATH ANSIBLE_STDOUT_CALLBACK=bulkhead.stack.summary
if [[ -t 1 ]]; then export ANSIBLE_FORCE_COLOR=true; fi
cd "$root"

"$here/demo-stack.sh" up
logs="$demo_dir/logs"
mkdir -p "$logs"

heading() {
  printf '\n'
  say "=== $* ==="
}

# The hour of the schedules stands still: a dump that falls due between two runs would be a change.
clock="$(date -u +%Y-%m-%dT%H:%M:%SZ)"

play() {
  local name="$1" log="$2"
  shift 2
  printf '$ ansible-playbook bulkhead.stack.%s -i inventories/demo %s\n' "$name" "$*"
  ansible-playbook "bulkhead.stack.$name" -i inventories/demo "$@" -e "bulkhead_clock=$clock" 2>&1 | tee "$logs/$log.log"
}

audit() {
  printf '$ ansible-playbook bulkhead.stack.audit -i inventories/demo\n'
  ansible-playbook bulkhead.stack.audit -i inventories/demo -e "bulkhead_audit_json=$logs/$1.json" 2>&1 | tee "$logs/$1.log"
}

heading "the failure, as its user met it"
printf '$ docker logs --tail 2 archon-server\n'
docker logs --tail 2 archon-server 2>&1 | cut -c1-160
printf '$ docker inspect -f {{.State.Health.Status}} archon-server\n'
docker inspect -f '{{ .State.Health.Status }}' archon-server

heading "audit: what is wrong here?"
audit before

heading "site --check --diff: what would be done?"
play site check --check --diff

heading "site: do it"
play site first

heading "site again: nothing is left to do"
play site second

heading "audit: what is it like now?"
audit after

heading "before and after"
"$BULKHEAD_CACHE/venv/bin/python" "$here/demo_compare.py" "$logs" && result=0 || result=$?

cat <<TEXT

Look around:
  docker ps --filter label=bulkhead.demo
  curl -s localhost:8181/api/settings | head -c 300
  docker exec -it supabase-ai-db psql -U postgres archon_db
  less $logs/check.log            what the check run said
  ls -la $demo_dir/backups/supabase-ai/*
  cat $demo_dir/state/journal/*   what was done, and how it would be taken back
make demo-down removes every trace of it.
TEXT
exit "$result"
