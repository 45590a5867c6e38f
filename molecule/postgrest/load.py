"""A client that asks the gateway all the time, and writes down what it was answered.

Usage: load.py start FILE | stop FILE. `start` returns at once, and does nothing where FILE is there. Every request has
a connection of its own. Two are asked in turn:

  supabase  a table of Supabase's own, at its old route
  archon    a table of Archon's, where the service's compose file says: it follows SUPABASE_URL, as the service does
"""

import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List
from urllib.parse import urlsplit

ASKED_PER_S = 50
PORT = 18000
ALLOWED_S = 10
URL = re.compile(r"^\s*-?\s*SUPABASE_URL\s*[=:]\s*\"?(http[^\"\s]*)", re.MULTILINE)


def variable(path: pathlib.Path, name: str) -> str:
    """Return a variable of a dotenv file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(line.partition("=")[2] for line in lines if line.startswith(name + "="))


def prefix(archon: pathlib.Path) -> str:
    """Return the path of the URL that the service is to use: of its compose file, else of its env file."""
    written = URL.search((archon / "docker-compose.yml").read_text(encoding="utf-8"))
    return urlsplit(written.group(1) if written else variable(archon / ".env", "SUPABASE_URL")).path.rstrip("/")


class Load:
    """Asks until it is told to stop."""

    def __init__(self, demo: pathlib.Path) -> None:
        self.archon = demo / "archon"
        # Gone with the stack: whoever ends a run on the way takes that away, and doesn't know of this program.
        self.marker = demo / ".bulkhead-demo"
        key = variable(demo / "supabase" / ".env", "SERVICE_ROLE_KEY")
        self.headers = {"apikey": key, "Authorization": "Bearer " + key}
        self.stopped = threading.Event()
        self.answers: List[Dict[str, Any]] = []

    def ask(self, number: int) -> None:
        """Ask one of the two, and remember the answer."""
        headers, path = self.headers, "/rest/v1/buckets?select=id&limit=1"
        if number % 2:
            path = prefix(self.archon) + "/rest/v1/archon_settings?select=key&limit=1"
        else:
            headers = dict(headers, **{"Accept-Profile": "storage"})
        asked_at = time.time()
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=ALLOWED_S)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            status, said = answer.status, answer.read(200).decode("utf-8", "replace")
        except OSError as error:
            status, said = 0, str(error)
        finally:
            connection.close()
        who = "archon" if number % 2 else "supabase"
        wrong = {"said": said} if status != 200 else {}
        self.answers.append({"who": who, "path": path, "at": asked_at, "until": time.time(), "status": status, **wrong})

    def run(self) -> None:
        """Ask so often a second, as long as the stack is there; who is late doesn't keep the next one waiting."""
        with ThreadPoolExecutor(32) as pool:
            began, number = time.monotonic(), 0
            while not self.stopped.wait(max(0.0, began + number / ASKED_PER_S - time.monotonic())):
                if not self.marker.exists():
                    return
                pool.submit(self.ask, number)
                number += 1


def main() -> None:
    """Start, ask, or stop."""
    command, path = sys.argv[1], pathlib.Path(sys.argv[2])
    pid_file = path.with_suffix(".pid")
    if command == "start" and not path.exists():
        argv = [sys.executable, __file__, "ask", str(path)]
        process = subprocess.Popen(argv, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        pid_file.write_text(str(process.pid))
    elif command == "ask":
        load = Load(pathlib.Path(os.environ["BULKHEAD_DEMO_DIR"]))
        signal.signal(signal.SIGTERM, lambda _number, _frame: load.stopped.set())
        load.run()
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(load.answers))
        partial.replace(path)
    elif command == "stop" and pid_file.exists():
        os.kill(int(pid_file.read_text()), signal.SIGTERM)
        pid_file.unlink()
        while not path.exists():
            time.sleep(0.05)


if __name__ == "__main__":
    main()
