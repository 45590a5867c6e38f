#!/usr/bin/env bash
# Stop Archon. The data stays where it is, in Supabase's database.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"

docker compose stop "$@"
echo "[archon] stopped. Start again with ./start-archon.sh"
