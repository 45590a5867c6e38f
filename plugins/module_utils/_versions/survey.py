# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of each cluster for a decision: its version, its databases, which are empty, and what they use."""

from dataclasses import replace
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Protocol, Sequence, Tuple

from .._core.errors import BulkheadError, InputError
from .._core.sql import Sql
from .facts import Cluster, Database, Facts, FitOrReason, Found, Place
from .fit import compare
from .matrix import options_of
from .model import BLOCKS, Fit
from .offer import Offer, offer_of, read_offer
from .scores import comparisons
from .uses import Uses, read_uses

# Beyond what an empty database has, a few small tables fit into this; what is larger isn't asked whether it is empty.
_SMALL_BYTES = 4 * 1024 * 1024

_DATABASES = Sql("""
SELECT d.datname AS name, d.datallowconn AS open, current_setting('server_version_num')::int AS version,
       CASE WHEN has_database_privilege(d.oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')
            THEN pg_database_size(d.oid) END AS size_bytes,
       (SELECT max(pg_database_size(t.oid)) FROM pg_database t WHERE t.datname = 'template0') AS empty_bytes
  FROM pg_database d WHERE NOT d.datistemplate ORDER BY d.datname
""")
# Tables of extensions are nobody's rows.
_TABLES = """
SELECT count(*) AS tables FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'm', 'f') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
   AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid
                    AND x.deptype = 'e')
"""


class Server(Protocol):
    """A cluster that can be asked; a statement names its database."""

    def rows(self, statement: Sql) -> List[Dict[str, Any]]:
        """Run one query; return its rows."""


class Surveyed(NamedTuple):
    """A cluster as it was read.

    Arguments:
        uses: of each described database, or why that couldn't be read.
        identifier: the system identifier that no other cluster has. free_bytes: where it keeps its data.
    """

    cluster: Cluster
    offer: Optional[Offer]
    uses: Dict[str, Any]
    unseen: Tuple[str, ...]
    identifier: Optional[str] = None
    free_bytes: Optional[int] = None


def survey(server: Server, cluster: Cluster, databases: Iterable[Database]) -> Surveyed:
    """Read a cluster.

    Arguments:
        cluster: what is known of it without asking it. databases: those that are described as its.
    """
    unseen: List[str] = []
    rows = server.rows(_DATABASES)
    found = tuple(_found(server, cluster.key, row, unseen) for row in rows)
    names = {item.name for item in found}
    uses: Dict[str, Any] = {}
    for item in databases:
        if item.name not in names:
            unseen.append("Database %s: cluster %s has none called %s." % (item.key, cluster.key, item.name))
            continue
        try:
            uses[item.key] = read_uses(server, item.name)
        except BulkheadError as error:
            uses[item.key] = str(error)
            unseen.append("What database %s uses: %s" % (item.key, error))
    version = rows[0]["version"] if rows else None
    return Surveyed(replace(cluster, version=version, found=found), read_offer(server), uses, tuple(unseen))


def _found(server: Server, cluster: str, row: Dict[str, Any], unseen: List[str]) -> Found:
    where = "database %s of cluster %s" % (row["name"], cluster)
    if row["size_bytes"] is None:
        unseen.append("The size of %s: this role may not see it." % where)
    tables = None
    small = row["size_bytes"] is not None and row["size_bytes"] <= row["empty_bytes"] + _SMALL_BYTES
    if small and row["open"]:
        try:
            tables = int(server.rows(Sql(_TABLES, database=row["name"]))[0]["tables"])
        except BulkheadError as error:
            unseen.append("Whether %s is empty: %s" % (where, error))
    return Found(row["name"], row["size_bytes"] or 0, tables)


def with_fits(facts: Facts, surveyed: Sequence[Surveyed], versions: Sequence[int]) -> Facts:
    """Return the facts with each comparison that an option asks for.

    Raises:
        InputError: two of the clusters are one.
    """
    seen: Dict[str, str] = {}
    for found in surveyed:
        other = seen.setdefault(found.identifier or found.cluster.key, found.cluster.key)
        if other != found.cluster.key:
            raise InputError(
                "clusters: %s and %s are one server: its system identifier is %s."
                % (other, found.cluster.key, found.identifier),
                "Describe each server once.",
            )
    places = {found.cluster.key: found for found in surveyed}
    fits: Dict[Tuple[str, Place], FitOrReason] = {}
    for database in facts.databases.values():
        if facts.found(database) is None:
            continue
        for option in options_of(facts, database, versions):
            for item, place in comparisons(facts, database, option):
                if (item.key, place) not in fits:
                    # A newer major is made beside the old one, on the same disk.
                    there = places[item.cluster if isinstance(place, int) else place]
                    fits[item.key, place] = _compared(places[item.cluster].uses.get(item.key), there, place)
    return replace(facts, fits=fits)


def _compared(found: Any, there: Surveyed, place: Place) -> FitOrReason:
    if not isinstance(found, Uses):
        return str(found or "it couldn't be read.")
    try:
        offer = offer_of(found, place) if isinstance(place, int) else there.offer
        return compare(found, offer, there.free_bytes) if offer else "what the server offers couldn't be read."
    except BulkheadError as error:
        return str(error)


def fits_json(facts: Facts) -> List[Dict[str, Any]]:
    """Return the comparisons as a part of a module's result, with what blocks."""
    result = []
    for (key, place), fit in facts.fits.items():
        row: Dict[str, Any] = {"database": key, "place": str(place), "verdict": None, "error": None, "blocks": []}
        if isinstance(fit, Fit):
            row.update(verdict=fit.verdict, blocks=[finding._asdict() for finding in fit.graded(BLOCKS)])
        else:
            row.update(error=fit)
        result.append(row)
    return result
