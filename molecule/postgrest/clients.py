"""PostgREST's real clients, of PyPI and of npm, each in its container: read, insert, read again, delete.

Usage: clients.py URL. Fails where either of them doesn't see what it wrote. Prints a line for each.
"""

import json
import os
import pathlib
import subprocess
import sys
from typing import Any, Dict, List

IMAGES = ("bulkhead/postgrest-py:1", "bulkhead/postgrest-js:1")
SETTINGS = 45


def use(url: str, key: str) -> List[Dict[str, Any]]:
    """Let both clients do their work at a URL of PostgREST; return what each has seen."""
    found = []
    for image in IMAGES:
        # The key goes by the environment: arguments can be read by everybody on the machine.
        argv = ["docker", "run", "--rm", "--label", "bulkhead.demo=true", "--env", "KEY"]
        argv += ["--add-host", "host.docker.internal:host-gateway", image, url]
        done = subprocess.run(argv, check=True, stdout=subprocess.PIPE, env=dict(os.environ, KEY=key), text=True)
        seen: Dict[str, Any] = json.loads(done.stdout)
        name = "CLIENT_" + ("PY" if image.endswith("py:1") else "JS")
        assert (seen["settings"], seen["inserted"], seen["found"], seen["left"]) == (SETTINGS, [name], ["é"], 0), seen
        found.append(seen)
    return found


def key_of(demo: pathlib.Path) -> str:
    """Return the service's key, of the demo's env file."""
    lines = (demo / "supabase" / ".env").read_text(encoding="utf-8").splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith("SERVICE_ROLE_KEY="))


if __name__ == "__main__":
    for client in use(sys.argv[1], key_of(pathlib.Path(os.environ["BULKHEAD_DEMO_DIR"]))):
        print(json.dumps(client))
