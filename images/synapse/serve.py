"""Writes Synapse's configuration from the variables DATABASE_HOST, _NAME, _USER and _PASSWORD, and becomes Synapse."""

import json
import os
import pathlib

CONFIGURATION = pathlib.Path("/data/homeserver.yaml")
# A test logs in more often than a person would.
UNLIMITED = {"per_second": 1000, "burst_count": 1000}


def configuration() -> dict[str, object]:
    """Return what differs from Synapse's defaults."""
    return {
        "server_name": "tenants.test",
        "signing_key_path": "/data/signing.key",
        "media_store_path": "/data/media",
        "listeners": [
            {"port": 8008, "type": "http", "bind_addresses": ["0.0.0.0"], "resources": [{"names": ["client"]}]}
        ],
        "database": {
            "name": "psycopg2",
            "args": {
                "host": os.environ["DATABASE_HOST"],
                "dbname": os.environ["DATABASE_NAME"],
                "user": os.environ["DATABASE_USER"],
                "password": os.environ["DATABASE_PASSWORD"],
                "cp_min": 1,
                "cp_max": 5,
            },
        },
        "registration_shared_secret": os.environ["REGISTRATION_SECRET"],
        "report_stats": False,
        "trusted_key_servers": [],
        # What a new schema still wants done is done at once, not a piece each second.
        "background_updates": {"sleep_enabled": False},
        "rc_login": {"address": UNLIMITED, "account": UNLIMITED, "failed_attempts": UNLIMITED},
    }


# YAML takes JSON as it is, and JSON has no quoting that a password could break.
CONFIGURATION.write_text(json.dumps(configuration(), indent=2), encoding="utf-8")
synapse = ["python3", "-m", "synapse.app.homeserver", "--config-path", str(CONFIGURATION)]
if not pathlib.Path("/data/signing.key").exists():
    os.spawnvp(os.P_WAIT, "python3", [*synapse, "--generate-keys"])
os.execvp("python3", synapse)
