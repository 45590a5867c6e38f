# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the metrics are told of a description."""

from ansible_collections.bulkhead.stack.plugins.module_utils._platform.projections import project
from ansible_collections.bulkhead.stack.plugins.module_utils._platform.validate import validate

PROFILES = {"supabase": {"owns": {"schemas": ["auth"], "platform": True}}, "other": {}}


def test_clusters_and_databases_as_options_of_the_module() -> None:
    platform = validate(
        {
            "timezone": "Europe/Berlin",
            "backup_root": "/b",
            "state_dir": "/s",
            "clusters": {"main": {"container": "db"}, "far": {"host": "db.example", "password": "pw"}},
            "databases": {
                "shop": {"cluster": "main", "name": "shop_db", "criticality": "high", "rpo": "6h", "rto": "30m",
                         "backup": {"schedule": "every 6h"}},
                "seen": {"cluster": "far", "rpo": "1d"},
                "inside": {"cluster": "main", "name": "shop_db", "owner": "guest", "strategy": "prefix",
                           "legacy": {"database": "shop_db", "tables": "public.guest_*"}},
            },
        },
        PROFILES,
    )  # fmt: skip
    found = project(platform, PROFILES)["metrics"]
    assert found["clusters"] == [
        {"name": "main", "container": "db", "login_db": "postgres"},
        {"name": "far", "login_host": "db.example", "login_password": "pw", "login_db": "postgres"},
    ]
    assert found["databases"] == [
        {"key": "shop", "name": "shop_db", "cluster": "main", "criticality": "high", "rpo_s": 21600, "rto_s": 1800,
         "folder": "/b/shop", "schedule": "every 6h"},
        {"key": "seen", "name": "seen", "cluster": "far", "criticality": "medium", "rpo_s": 86400, "rto_s": None,
         "folder": None, "schedule": None},
    ]  # fmt: skip
    assert found["tenants"] == {"supabase": {"schemas": ["auth"], "platform": True}}
    assert (found["timezone"], found["restores"], found["folder"]) == (
        "Europe/Berlin", "/s/restores.jsonl", "/s/metrics",
    )  # fmt: skip
