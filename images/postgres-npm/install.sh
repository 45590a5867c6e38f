#!/bin/sh
# Puts each major where Debian has it, without what only a compiler needs.
set -eu

for package in /node_modules/postgresql-*; do
  major="${package##*-}"
  folder="/usr/lib/postgresql/$major"
  mkdir -p /usr/lib/postgresql
  cp -r "$package/native" "$folder"
  rm -rf "$folder"/lib/*.a "$folder/lib/pkgconfig" "$folder/lib/postgresql/pgxs"
  chmod 0755 "$folder"/bin/*
  # The names under which libraries are looked for are links, which a package of npm can't hold.
  /sbin/ldconfig -n "$folder/lib"
  # A container is reached over its network; who may come in is pg_hba.conf's question.
  sample="$folder/share/postgresql/postgresql.conf.sample"
  sed -i "s/^#listen_addresses = 'localhost'/listen_addresses = '*'/" "$sample"
  sed -i "s|^#\?unix_socket_directories = '[^']*'|unix_socket_directories = '/var/run/postgresql'|" "$sample"
  grep -q "^listen_addresses = '\*'" "$sample"
  "$folder/bin/postgres" --version
done
