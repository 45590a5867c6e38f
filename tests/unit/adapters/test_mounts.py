# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a folder of the host lies inside of a container."""

import os
import pathlib
from typing import Any, Dict, Optional, Tuple

import pytest

from ansible_collections.bulkhead.stack.plugins.module_utils._adapters.mounts import (
    folders_in_container,
    path_in_container,
)


def inspection(*mounts: Tuple[str, str]) -> Dict[str, Any]:
    """Return what docker inspect says of a container with these mounts; an empty source is memory."""
    return {
        "Mounts": [
            {"Type": "bind" if source else "tmpfs", "Source": source, "Destination": destination, "RW": True}
            for source, destination in mounts
        ]
    }


@pytest.mark.parametrize(
    ("mounts", "path", "inside"),
    [
        ([("/srv/backups", "/backups")], "/srv/backups", "/backups"),
        ([("/srv/backups", "/backups/")], "/srv/backups/n8n/", "/backups/n8n"),
        ([("/srv/backups", "/backups")], "/srv/backups-of-others", None),
        ([("/srv/backups", "/backups")], "/srv", None),
        ([("/", "/host")], "/srv/backups", "/host/srv/backups"),
        ([("/srv", "/a"), ("/srv/backups", "/b")], "/srv/backups/n8n", "/b/n8n"),
        # Another mount hides it there, and it is seen in another place.
        ([("/srv", "/a"), ("/elsewhere", "/a/backups")], "/srv/backups", None),
        ([("", "/a/backups"), ("/srv", "/a")], "/srv/backups", None),
        ([("/srv/backups", "/a/x"), ("/elsewhere", "/a/x/n8n"), ("/srv", "/b")], "/srv/backups/n8n", "/b/backups/n8n"),
        ([], "/srv/backups", None),
    ],
)
def test_where_a_folder_is_seen(mounts: Any, path: str, inside: Optional[str]) -> None:
    assert path_in_container(inspection(*mounts), path) == inside


def test_links_are_followed_on_the_host(tmp_path: pathlib.Path) -> None:
    real = tmp_path / "real"
    (real / "n8n").mkdir(parents=True)
    os.symlink(real, tmp_path / "link")
    for source in ("real", "link"):
        found = path_in_container(inspection((str(tmp_path / source), "/backups")), str(tmp_path / "link" / "n8n"))
        assert found == "/backups/n8n"


def test_what_is_seen_is_told_to_a_person() -> None:
    found = inspection(("/srv/backups", "/backups"), ("", "/memory"), ("/srv/archon", "/archon"))
    found["Mounts"][2]["RW"] = False
    assert folders_in_container(found) == ["/srv/archon (as /archon, read-only)", "/srv/backups (as /backups)"]
    assert folders_in_container({"Mounts": None}) == []
