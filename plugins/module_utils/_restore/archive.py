# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy as the server's own pg_restore takes it: checked, decrypted and unpacked on its way, in one stream or several.

What only ``pg_restore --create`` would apply (the database's owner, settings, grants and comment, the settings of roles
in it) is read out of the archive, for a database of whatever name.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence

from .._core.errors import OutsideError, StateError, VerificationError
from .._dumps.catalogue import Copy
from .._dumps.pipeline import connection_text
from .._dumps.ports import ClientResult, Folder
from .._dumps.verify import HashedFile, first_lines
from .ports import Decrypt, Server
from .statements import Roles, of_database, read_roles

# Every stage reports its own status on a descriptor of its own: dash has no pipefail.
_UNPACK_INTO = r"""
failed=$(
  {
    { zstd -q -dc 4>&- || echo "zstd=$?" >&4; } |
    { "$@" >&2 4>&- || echo "pg_restore=$?" >&4; }
  } 4>&1 </dev/stdin
)
[ -z "$failed" ] || { echo "failed stages: $failed" >&2; exit 1; }
"""
# The table of contents comes first: whoever unpacks is cut off when pg_restore has read enough.
_UNPACK_HEAD = 'zstd -q -dc 2>/dev/null | "$@"'
_SPOOL = {True: 'umask 077; zstd -q -dc > "$1"', False: 'umask 077; cat > "$1"'}
# Parallel jobs seek in the archive, so it must lie beside pg_restore whole; for less than this that costs more than it
# saves.
SPOOLED_FROM_BYTES = 8 * 1024 * 1024
# Longer than any name can be.
_NO_TABLE = "no_table" * 8
# As the two programs begin what they write; and the server would write a statement that fails to its log, whole.
_HEAD = (
    "SET client_encoding = 'UTF8'",
    "SET standard_conforming_strings = on",
    "SET log_min_error_statement = panic",
)
_NO_PSQLRC = ["psql", "--no-psqlrc", "--no-password", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"]


@dataclass(frozen=True)
class Archive:
    """A good copy with its manifest, in its folder."""

    copy: Copy
    manifest: Mapping[str, Any]
    folder: Folder
    decryptor: Decrypt = None

    @property
    def is_directory(self) -> bool:
        """Whether it is of directory format."""
        return bool(self.manifest.get("format") == "directory")

    @property
    def is_wrapped(self) -> bool:
        """Whether the program zstd has compressed it."""
        return bool(self.manifest["compression"] == "zstd_wrapped")

    def check(self) -> None:
        """See that its bytes are those that were written, and that it can be decrypted.

        Raises:
            VerificationError: they aren't. StateError: it is encrypted, and no identity was given.
            OutsideError: the identity doesn't fit.
        """
        if self.manifest.get("encryption") and self.decryptor is None:
            raise StateError(
                "Copy %s is encrypted, and no identity_file was given." % self.copy.stem,
                "Name the file with the private key to one of its recipients.",
            )
        parts = [(self.copy.dump, self.manifest["sha256"])]
        roles = self.manifest.get("globals")
        if roles:
            parts.append((roles["file"], roles["sha256"]))
        for name, sha256 in parts:
            if HashedFile(self.folder, name).hexdigest() != sha256:
                raise VerificationError(
                    "%s in %s isn't what was written: its SHA-256 is another one. Nothing was touched."
                    % (name, self.folder.path),
                    "Name another copy; pg_dump_info with checksums says which are whole.",
                )
        if self.manifest.get("encryption"):
            next(self.chunks(), b"")

    def chunks(self) -> Iterator[bytes]:
        """Yield the dump as pg_restore, or zstd before it, takes it."""
        return self._plain(self.copy.dump)

    def roles(self) -> Optional[Roles]:
        """Return the cluster's roles; None where the copy has none."""
        told = self.manifest.get("globals")
        if not told:
            return None
        return read_roles(b"".join(self._plain(told["file"])).decode("utf-8"))

    def _plain(self, name: str) -> Iterator[bytes]:
        chunks = self.folder.chunks(name)
        return self.decryptor.decrypt(chunks) if self.decryptor and self.manifest.get("encryption") else chunks


def cores(server: Server) -> int:
    """Return how many processors the server's side has."""
    found = server.run_client(["nproc"], connect=False)
    said = found.stdout.decode("ascii", "replace").strip()
    return int(said) if found.rc == 0 and said.isdigit() else 1


def path_beside(archive: Archive, server: Server) -> str:
    """Return where a copy of directory format lies for the server's programs.

    Raises:
        StateError: it doesn't lie beside them.
    """
    found = server.path_beside_server(archive.folder.path)
    if found is None:
        raise StateError(
            "Copy %s is a folder, and the server's container doesn't see it." % archive.copy.stem,
            "Mount %s there, or restore it by hand with pg_restore." % archive.folder.path,
        )
    return found.rstrip("/") + "/" + archive.copy.dump


def restore_archive(archive: Archive, server: Server, database: str, jobs: int, more: Sequence[str] = ()) -> int:
    """Restore into an empty database; the first error ends it. Return the number of jobs that were used.

    Arguments:
        more: further options of pg_restore.

    Raises:
        OutsideError: pg_restore failed.
    """
    argv = ["pg_restore", "--exit-on-error", "--no-password", "--dbname=" + connection_text(database), *more]
    with ExitStack() as stack:
        if archive.is_directory:
            used = jobs
            found = server.run_client(argv + ["--jobs=%d" % jobs, path_beside(archive, server)])
        elif jobs > 1 and archive.copy.size_bytes >= SPOOLED_FROM_BYTES:
            used = jobs
            path = _spool(archive, server, stack)
            found = server.run_client(argv + ["--jobs=%d" % jobs, path])
        else:
            used = 1
            wrapped = ["sh", "-c", _UNPACK_INTO, "bulkhead-restore", *argv] if archive.is_wrapped else argv
            found = server.run_client(wrapped, stdin=archive.chunks())
    if found.rc != 0:
        raise OutsideError(
            "pg_restore of %s failed with exit status %d: %s." % (archive.copy.dump, found.rc, _said(found)),
            "The database that was there is as it was.",
        )
    return used


def _spool(archive: Archive, server: Server, stack: ExitStack) -> str:
    folder = stack.enter_context(server.client_folder())
    path = folder.path + "/archive"
    argv = ["sh", "-c", _SPOOL[archive.is_wrapped], "bulkhead-spool", path]
    found = server.run_client(argv, stdin=archive.chunks(), connect=False)
    if found.rc != 0:
        raise OutsideError(
            "Copy %s can't be unpacked beside the server: %s." % (archive.copy.dump, first_lines(found.stderr)),
            "Free some space in its /tmp, or say jobs=1.",
        )
    return path


def _said(found: ClientResult) -> str:
    """Return what pg_restore said, without what follows from it."""
    lines = [line for line in found.stderr.splitlines() if not line.startswith(("failed stages:", "Command was:"))]
    return first_lines("\n".join(lines)) if lines else "it said nothing; was the server stopped?"


def database_statements(archive: Archive, server: Server, name: str) -> List[str]:
    """Return the statements that make the archive's database under a name, and then give it its own properties.

    Raises:
        VerificationError: pg_restore can't read the archive's contents.
    """
    # With --create what concerns the database itself is told whatever else is selected (pg_backup_archiver.c).
    text = _read_head(archive, server, ["--create", "--table=" + _NO_TABLE, "--file=-"])
    return of_database(text, str(archive.manifest["database"]), name)


def read_listing(archive: Archive, server: Server) -> List[str]:
    """Return the lines of the archive's table of contents, as ``pg_restore --list`` prints them."""
    return _read_head(archive, server, ["--list"]).splitlines()


def _read_head(archive: Archive, server: Server, options: Sequence[str]) -> str:
    argv: List[str] = ["pg_restore", *options]
    stdin: Optional[Iterable[bytes]] = None
    if archive.is_directory:
        argv.append(path_beside(archive, server))
    else:
        stdin = archive.chunks()
        if archive.is_wrapped:
            argv = ["sh", "-c", _UNPACK_HEAD, "bulkhead-contents", *argv]
    found = server.run_client(argv, stdin=stdin, connect=False)
    if found.rc != 0:
        raise VerificationError(
            "pg_restore can't read the contents of %s: %s." % (archive.copy.dump, first_lines(found.stderr)),
            "Name another copy.",
        )
    return found.stdout.decode("utf-8")


def run_script(server: Server, database: str, lines: Sequence[str], together: bool) -> None:
    """Run statements as pg_dump wrote them.

    Arguments:
        together: all or none. Whoever feeds psql may be killed: then no COMMIT comes, and nothing is kept.

    Raises:
        OutsideError: one failed; the message doesn't repeat it: it may hold a verifier.
    """
    if not lines:
        return
    script = [*_HEAD, *(["BEGIN"] if together else []), *lines]
    text = "".join(line + ";\n" for line in [*script, *(["COMMIT"] if together else [])])
    argv = [*_NO_PSQLRC, "--dbname=" + connection_text(database)]
    found = server.run_client(argv, stdin=[text.encode("utf-8")])
    if found.rc != 0:
        errors = [line for line in found.stderr.splitlines() if "ERROR:" in line or "FATAL:" in line]
        raise OutsideError(
            "What the copy says of its database or of its roles can't be applied: %s." % first_lines("\n".join(errors))
        )


def facts_of(archive: Archive) -> Dict[str, Any]:
    """Return what is told of a copy in results and logs."""
    manifest = archive.manifest
    return {
        "copy": archive.copy.stem,
        "taken_at": manifest["taken_at"],
        "size_bytes": archive.copy.size_bytes,
        "tables": len(manifest["tables"]),
        "rows": sum(int(table["rows"]) for table in manifest["tables"]),
    }
