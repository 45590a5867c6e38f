#!/usr/bin/env bash
# Archon's tables and rows. They were run in the SQL editor once, and so they are in "postgres" and not in archon_db.
set -euo pipefail

export PGUSER="${POSTGRES_USER:-postgres}" PGDATABASE="${POSTGRES_DB:-postgres}"

psql --no-psqlrc -q -v ON_ERROR_STOP=1 -1 -f /opt/archon/migration/complete_setup.sql
