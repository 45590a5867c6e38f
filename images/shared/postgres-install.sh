#!/bin/sh
# The steps both Postgres images share: postgres-install.sh <major> <packages...>
set -eu

major="$1"
shift

# The numbers that the official image uses, so that a volume can be moved between it and this one.
groupadd --system --gid 999 postgres
useradd --system --uid 999 --gid postgres --home-dir /var/lib/postgresql --shell /bin/bash postgres

# The entrypoint makes the cluster, in the volume; Debian's package would make one of its own.
mkdir -p /etc/postgresql-common/createcluster.d
echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/bulkhead.conf

# Just-in-time compilation needs 150 MB of LLVM. Without the library the server runs the same plans without it.
cat >/etc/dpkg/dpkg.cfg.d/no-jit <<'EXCLUDES'
path-exclude=/usr/lib/*/libLLVM*
path-exclude=/usr/lib/*/libz3.so*
path-exclude=/usr/lib/llvm-*
path-exclude=/usr/lib/postgresql/*/lib/bitcode/*
path-exclude=/usr/lib/postgresql/*/lib/llvmjit*
EXCLUDES

export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -qy install --no-install-recommends locales zstd xz-utils "$@"

localedef --inputfile=en_US --charmap=UTF-8 --alias-file=/usr/share/locale/locale.alias en_US.UTF-8
# Sources of locales; the one that is used has been compiled.
rm -rf /usr/share/i18n /var/lib/apt/lists/*

# A container is reached over its network; who may come in is pg_hba.conf's question.
sed -i "s/^#listen_addresses = 'localhost'/listen_addresses = '*'/" "/usr/share/postgresql/$major/postgresql.conf.sample"
grep -q "^listen_addresses = '\*'" "/usr/share/postgresql/$major/postgresql.conf.sample"

install -d -m 0755 /docker-entrypoint-initdb.d
install -d -o postgres -g postgres -m 3777 /var/run/postgresql
install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/data
