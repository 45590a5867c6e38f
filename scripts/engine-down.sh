#!/usr/bin/env bash
# Stops the engine if scripts/bootstrap.sh started it, and removes nothing: images, volumes and packages stay.
set -euo pipefail

# shellcheck source=scripts/lib.sh
source "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/lib.sh"

stop_wait_s=30

if [[ -f $BULKHEAD_CACHE/engine-service ]]; then
  # With the socket left listening, systemd would start the engine again at the next call.
  systemctl stop docker.socket docker.service
  rm -f "$BULKHEAD_CACHE/engine-service"
  say "engine: stopped"
  exit 0
fi

if [[ ! -f $BULKHEAD_CACHE/dockerd.pid ]]; then
  say "engine: not started by bootstrap.sh, left as it is"
  exit 0
fi

pid="$(<"$BULKHEAD_CACHE/dockerd.pid")"
# The number may have been given to another program since.
if [[ "$(cat "/proc/$pid/comm" 2>/dev/null || true)" != dockerd ]]; then
  rm -f "$BULKHEAD_CACHE/dockerd.pid"
  say "engine: already gone"
  exit 0
fi

kill -TERM "$pid"
deadline=$((SECONDS + stop_wait_s))
while [[ -d /proc/$pid ]]; do
  ((SECONDS < deadline)) || die "dockerd ($pid) still runs $stop_wait_s s after it was asked to stop"
  sleep 0.1
done
rm -f "$BULKHEAD_CACHE/dockerd.pid"
say "engine: stopped"
