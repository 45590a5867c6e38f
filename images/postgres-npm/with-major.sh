#!/bin/sh
# Runs the entrypoint with the programs of the major that PG_MAJOR names.
set -eu

bin="/usr/lib/postgresql/$PG_MAJOR/bin"
if ! [ -x "$bin/postgres" ]; then
  echo "error: PG_MAJOR is $PG_MAJOR; this image has $(cd /usr/lib/postgresql && echo *)" >&2
  exit 1
fi
export PATH="$bin:$PATH"
# 13 keeps passwords as md5, and the official image lets one in by that.
if [ "$PG_MAJOR" -lt 14 ]; then export POSTGRES_HOST_AUTH_METHOD="${POSTGRES_HOST_AUTH_METHOD:-md5}"; fi
exec docker-entrypoint.sh "$@"
