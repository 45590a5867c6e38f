#!/usr/bin/env bash
# Start Archon, after a backup of its tables.
#
#   ./start-archon.sh [--force-restart] [--skip-backup]
#
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"

DB_CONTAINER="supabase-ai-db"
BACKUP_DIR="${ARCHON_BACKUP_DIR:-./backups}"
FORCE_RESTART=false
SKIP_BACKUP=false

RED=$'\033[0;31m'; GREEN=$'\033[0;32m'; YELLOW=$'\033[1;33m'; NC=$'\033[0m'

info()  { echo "${GREEN}[archon]${NC} $*"; }
warn()  { echo "${YELLOW}[archon]${NC} $*" >&2; }
error() { echo "${RED}[archon]${NC} $*" >&2; }

usage() {
    echo "usage: ${0##*/} [--force-restart] [--skip-backup]"
    echo "  --force-restart  recreate the containers although nothing changed"
    echo "  --skip-backup    start at once"
}

parse_arguments() {
    while [[ $# -gt 0 ]]; do
        case "$1" in
            --force-restart) FORCE_RESTART=true ;;
            --skip-backup)   SKIP_BACKUP=true ;;
            -h|--help)       usage; exit 0 ;;
            *)               error "unknown option: $1"; usage >&2; exit 2 ;;
        esac
        shift
    done
}

check_requirements() {
    if ! docker info >/dev/null 2>&1; then
        error "Docker doesn't answer"
        exit 1
    fi
    if [[ ! -f .env ]]; then
        error "no .env here: copy .env.example"
        exit 1
    fi
    if ! docker network inspect sporterp-ai-unified >/dev/null 2>&1; then
        error "network sporterp-ai-unified is missing: docker network create sporterp-ai-unified"
        exit 1
    fi
}

database_is_up() {
    docker exec "$DB_CONTAINER" pg_isready -q -h 127.0.0.1 -U postgres
}

backup_tables() {
    local target_db="postgres"
    local file
    file="$BACKUP_DIR/archon_$(date +%Y%m%d_%H%M%S).dump"

    if [[ "$SKIP_BACKUP" == true ]]; then
        warn "backup skipped"
        return 0
    fi
    mkdir -p "$BACKUP_DIR"
    info "saving the tables archon_* of the database $target_db"
    if ! docker exec "$DB_CONTAINER" pg_dump -U postgres -Fc -t 'public.archon_*' "$target_db" > "$file"; then
        rm -f "$file"
        error "the backup failed: start with --skip-backup if you must"
        exit 1
    fi
    info "saved in $file"
}

start_services() {
    local options=(-d)
    if [[ "$FORCE_RESTART" == true ]]; then
        options+=(--force-recreate)
    fi
    docker compose up "${options[@]}"
}

parse_arguments "$@"
check_requirements
if ! database_is_up; then
    error "the database in $DB_CONTAINER is not up: start Supabase first"
    exit 1
fi
backup_tables
start_services
info "UI: http://localhost:${ARCHON_UI_PORT:-3737}"
