# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much memory a container holds that nothing but its end gives back: the anonymous memory of its cgroup."""

from typing import Optional

from .docker import Docker

# Of version 2, then of version 1 (the kernel's "Control Group v2" and "Memory Resource Controller").
_FILES = ("/sys/fs/cgroup/memory.stat", "/sys/fs/cgroup/memory/memory.stat")
# Shared buffers are no file's pages, but shared memory: version 2 counts them as shmem, version 1 among the cache.
_FIELDS = (b"anon", b"total_rss")


def anonymous_memory(engine: Docker, container: str) -> Optional[int]:
    """Return the bytes of anonymous memory of a container that runs; None where its cgroup can't be read."""
    # One of them isn't there; starting a program in a container takes longer than reading.
    for line in engine.run(container, ["cat", *_FILES]).stdout.splitlines():
        name, dummy, value = line.partition(b" ")
        if name in _FIELDS:
            return int(value)
    return None
