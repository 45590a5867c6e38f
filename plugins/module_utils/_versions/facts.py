# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a decision is made from: clusters, databases and services as they were found, and how each fits elsewhere."""

from dataclasses import dataclass, field
from datetime import date
from typing import Dict, List, Mapping, NamedTuple, Optional, Tuple, Union

from .minimum import Need
from .model import Fit
from .releases import split

# A fit, or why there is none.
FitOrReason = Union[Fit, str]
# Where a database may go: a described cluster by its name, or a bare major.
Place = Union[str, int]


class Found(NamedTuple):
    """A database that a cluster has; tables: None where nobody looked."""

    name: str
    size_bytes: int
    tables: Optional[int] = None


@dataclass(frozen=True)
class Cluster:
    """A cluster as it was found.

    Arguments:
        version: as server_version_num has it; None where it can't be asked.
        memory_bytes: what its container holds in memory that is nobody else's.
        found: its databases, templates left out.
        error: why it can't be asked.
    """

    key: str
    version: Optional[int] = None
    container: str = ""
    image: str = ""
    memory_bytes: Optional[int] = None
    found: Tuple[Found, ...] = ()
    error: str = ""

    @property
    def major(self) -> int:
        """Return its major; 0 where it isn't known."""
        return split(self.version)[0] if self.version else 0

    @property
    def size_bytes(self) -> int:
        """Return the size of all its databases."""
        return sum(item.size_bytes for item in self.found)

    @property
    def title(self) -> str:
        """Return it as a person names it."""
        return "%s (PostgreSQL %d)" % (self.key, self.major) if self.major else self.key


@dataclass(frozen=True)
class Database:
    """A described database.

    Arguments:
        key: the description's name. name: the server's.
        schedule: of its dumps; empty where it has none.
        verified_at: when its newest verified copy was taken; empty where it has none, None where nobody looked.
    """

    key: str
    cluster: str
    name: str
    services: Tuple[str, ...] = ()
    criticality: str = "medium"
    schedule: str = ""
    verified_at: Optional[str] = None


@dataclass(frozen=True)
class Service:
    """A service with what its program needs; version: the program's, empty where it isn't known."""

    name: str
    profile: str = ""
    version: str = ""
    need: Need = Need()


@dataclass(frozen=True)
class Facts:
    """All of it; fits: of a database by its key, and of a place."""

    today: date
    clusters: Mapping[str, Cluster]
    databases: Mapping[str, Database]
    services: Mapping[str, Service]
    fits: Mapping[Tuple[str, Place], FitOrReason] = field(default_factory=dict)

    def inside(self, cluster: str) -> List[Database]:
        """Return the described databases of a cluster."""
        return [item for item in self.databases.values() if item.cluster == cluster]

    def found(self, database: Database) -> Optional[Found]:
        """Return a described database as its server has it."""
        names = {item.name: item for item in self.clusters[database.cluster].found}
        return names.get(database.name)

    def size(self, database: Database) -> int:
        """Return the size of a database."""
        found = self.found(database)
        return found.size_bytes if found else 0

    def neighbours(self, cluster: str, database: Database) -> List[str]:
        """Return what else lies in a cluster: described databases by key, others that hold something by name."""
        described = {item.name: item for item in self.inside(cluster)}
        result = []
        for item in self.clusters[cluster].found:
            known = described.get(item.name)
            is_itself = cluster == database.cluster and item.name == database.name
            # Every server has a database postgres; it counts where it holds something.
            if not is_itself and item.tables != 0:
                result.append(known.key if known else item.name)
        return result

    def users(self, databases: List[Database]) -> List[Service]:
        """Return the services of databases."""
        names: Dict[str, None] = {}
        for item in databases:
            names.update(dict.fromkeys(item.services))
        return [self.services[name] for name in names if name in self.services]
