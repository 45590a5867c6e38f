#!/usr/bin/env bash
# Behaves as the official Postgres image's entrypoint does, as far as its documentation promises: the same variables,
# the same pg_hba.conf, the same scripts on an empty volume.
set -euo pipefail

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# A variable may come from a file instead (a Docker secret): NAME_FILE. Prints the value.
setting() {
  local name="$1" default="${2:-}" file_name="$1_FILE"
  if [[ -n ${!name:-} && -n ${!file_name:-} ]]; then
    fail "both $name and $file_name are set; set one"
  fi
  if [[ -n ${!name:-} ]]; then
    printf '%s' "${!name}"
  elif [[ -n ${!file_name:-} ]]; then
    printf '%s' "$(<"${!file_name}")"
  else
    printf '%s' "$default"
  fi
}

# Splits as a shell would, quotes included, and executes nothing.
split_words() {
  if [[ -n $1 ]]; then xargs printf '%s\n' <<<"$1"; fi
}

own_folders() {
  install -d -m 0700 "$PGDATA"
  # Recursively, but only what isn't right: a big cluster must not be rewritten at every start.
  find "$PGDATA" \! -user postgres -exec chown postgres:postgres {} +
  find /var/run/postgresql \! -user postgres -exec chown postgres:postgres {} +
  if [[ -n ${POSTGRES_INITDB_WALDIR:-} ]]; then
    install -d -m 0700 "$POSTGRES_INITDB_WALDIR"
    find "$POSTGRES_INITDB_WALDIR" \! -user postgres -exec chown postgres:postgres {} +
  fi
}

make_cluster() {
  local arguments=()
  mapfile -t arguments < <(split_words "${POSTGRES_INITDB_ARGS:-}")
  if [[ -n ${POSTGRES_INITDB_WALDIR:-} ]]; then arguments+=(--waldir "$POSTGRES_INITDB_WALDIR"); fi
  if [[ -n $password ]]; then
    # Through a descriptor: neither in the process list nor in a file.
    initdb --username="$user" --pwfile=<(printf '%s\n' "$password") "${arguments[@]}"
  else
    initdb --username="$user" "${arguments[@]}"
  fi
  chmod 0700 "$PGDATA"
  printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
}

run_sql() {
  PGHOST='' PGHOSTADDR='' psql --no-psqlrc --no-password --set ON_ERROR_STOP=1 --username "$user" "$@"
}

# Until everything is in place only the socket is open, so that nobody connects to half a server.
start_for_setup() {
  local options
  printf -v options '%q ' "$@" -c listen_addresses= -p "${PGPORT:-5432}"
  PGUSER="$user" pg_ctl --pgdata "$PGDATA" --options "$options" --wait start
}

make_database() {
  [[ $database != postgres ]] || return 0
  local found
  found="$(run_sql --dbname postgres --set "name=$database" --tuples-only --no-align \
    <<<"SELECT 1 FROM pg_database WHERE datname = :'name'")"
  if [[ -z $found ]]; then run_sql --dbname postgres --set "name=$database" <<<'CREATE DATABASE :"name"'; fi
}

run_scripts() {
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    case "$file" in
      *.sh)
        printf 'running %s\n' "$file"
        # One that isn't executable is read into this shell, as the official image does.
        # shellcheck disable=SC1090
        if [[ -x $file ]]; then "$file"; else . "$file"; fi
        ;;
      *.sql) printf 'running %s\n' "$file" && run_sql --dbname "$database" --file "$file" ;;
      *.sql.gz) printf 'running %s\n' "$file" && gunzip -c "$file" | run_sql --dbname "$database" ;;
      *.sql.xz) printf 'running %s\n' "$file" && xzcat "$file" | run_sql --dbname "$database" ;;
      *.sql.zst) printf 'running %s\n' "$file" && zstd -dc "$file" | run_sql --dbname "$database" ;;
      */\*) ;;
      *) printf 'ignoring %s\n' "$file" ;;
    esac
  done
}

if [[ ${1:-} == -* ]]; then set -- postgres "$@"; fi
if [[ ${1:-} != postgres ]]; then exec "$@"; fi

# Options that only make the server say something need no cluster.
for argument in "$@"; do
  case "$argument" in -'?' | --help | --describe-config | -V | --version) exec "$@" ;; esac
done

if ((EUID == 0)); then
  own_folders
  exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
fi

if [[ -s $PGDATA/PG_VERSION ]]; then
  printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
  exec "$@"
fi

user="$(setting POSTGRES_USER postgres)"
password="$(setting POSTGRES_PASSWORD)"
database="$(setting POSTGRES_DB "$user")"
if [[ -z $password && ${POSTGRES_HOST_AUTH_METHOD:-} != trust ]]; then
  fail "POSTGRES_PASSWORD (or POSTGRES_PASSWORD_FILE) must name the superuser's password, or POSTGRES_HOST_AUTH_METHOD be trust"
fi
# Scripts of the initdb folder use these names.
export POSTGRES_USER="$user" POSTGRES_PASSWORD="$password" POSTGRES_DB="$database" PGPASSWORD="$password"
unset POSTGRES_USER_FILE POSTGRES_PASSWORD_FILE POSTGRES_DB_FILE

make_cluster
start_for_setup "${@:2}"
make_database
run_scripts
pg_ctl --pgdata "$PGDATA" --mode fast --wait stop
unset PGPASSWORD
printf '\nPostgreSQL init process complete; ready for start up.\n\n'
exec "$@"
