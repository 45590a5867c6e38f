# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the adapters from a module's options: the one place that knows which option makes which."""

import uuid
from contextlib import contextmanager
from typing import Any, ContextManager, Dict, Iterator, Type, TypeVar

from .docker import Docker
from .postgres import Postgres, resolve_endpoint

Cluster = TypeVar("Cluster", bound=Postgres)


def new_run_id() -> str:
    """Return a short name for this run: its sessions carry it as ``bulkhead/<run>``."""
    return uuid.uuid4().hex[:12]


def open_postgres(options: Dict[str, Any], run: str = "") -> ContextManager[Postgres]:
    """Yield the cluster that a module's connection options name; its connections are closed afterwards."""
    return open_cluster(Postgres, options, run)


@contextmanager
def open_cluster(kind: Type[Cluster], options: Dict[str, Any], run: str = "") -> Iterator[Cluster]:
    """Do the same with an adapter that can more than others need."""
    engine = Docker(options.get("docker_host")) if options.get("container") else None
    postgres = None
    try:
        postgres = kind(resolve_endpoint(options, engine), engine, "bulkhead/" + (run or new_run_id()))
        yield postgres
    finally:
        if postgres is not None:
            postgres.close()
        if engine is not None:
            engine.close()
