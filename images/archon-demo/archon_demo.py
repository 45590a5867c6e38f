"""The demo's stand-in for Archon: its four services, as small as they can be and still fail as the real ones do.

    archon_demo.py server | mcp | agents | ui     serve it

It keeps nothing: every answer about settings is read at that moment through the REST gateway at $SUPABASE_URL, with
the key $SUPABASE_SERVICE_KEY, so that what a scenario changes shows in the next answer.
"""

import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PORTS = {"server": 8181, "mcp": 8051, "agents": 8053, "ui": 3737}
TITLES = {"server": "archon-server", "mcp": "archon-mcp", "agents": "archon-agent-work-orders", "ui": "archon-ui"}
COLUMNS = "key,value,is_encrypted,category,description"
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Archon (demo)</title>
<style>body{font:16px/1.5 sans-serif;margin:3rem auto;max-width:40rem}</style>
<h1>Archon (demo)</h1><p>A stand-in that serves this page and nothing else. The settings are at
<code>:8181/api/settings</code>.</p></html>
"""


class RestError(Exception):
    """What went wrong on the way to the settings, in the words that a user of the real service meets."""


def log(level: str, message: str) -> None:
    print(
        f"{time.strftime('%Y-%m-%d %H:%M:%S')} | {os.environ.get('ARCHON_SERVICE', 'archon')} | {level} | {message}",
        flush=True,
    )


def rest(query: str) -> list[dict[str, Any]]:
    """Rows of archon_settings through the gateway."""
    url = os.environ.get("SUPABASE_URL", "").rstrip("/")
    key = os.environ.get("SUPABASE_SERVICE_KEY", "")
    if urllib.parse.urlsplit(url).scheme not in ("http", "https") or not key:
        raise RestError("ConfigurationError: SUPABASE_URL and SUPABASE_SERVICE_KEY must be set")
    headers = {"apikey": key, "Authorization": f"Bearer {key}", "Accept": "application/json"}
    request = urllib.request.Request(f"{url}/rest/v1/archon_settings?{query}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            rows = json.load(response)
    except urllib.error.HTTPError as error:
        text = error.read().decode(errors="replace")[:400]
        raise RestError(f"APIError: {error.code} {text}") from None
    except urllib.error.URLError as error:
        raise RestError(f"ConnectError: {error.reason}") from None
    except (OSError, ValueError) as error:
        raise RestError(f"ReadError: {error}") from None
    if not isinstance(rows, list):
        raise RestError("APIError: the answer is no list")
    return rows


def check(service: str) -> dict[str, Any]:
    """What /health says; raises RestError where the service can't work."""
    if service in ("mcp", "agents"):
        try:
            socket.getaddrinfo("host.docker.internal", None)
        except OSError as error:
            raise RestError(f"ConnectError: {error}") from None
        rest("select=key&limit=1")
        return {}
    if service == "server":
        rows = rest("select=key")
        if not rows:
            raise RestError("No settings in archon_settings: has migration/complete_setup.sql been run?")
        return {"settings": len(rows), "schema_valid": True}
    return {}


def visible(row: dict[str, Any]) -> dict[str, Any]:
    """A setting without what only the service itself may know."""
    return {**row, "value": "[ENCRYPTED]"} if row.get("is_encrypted") else row


class Handler(BaseHTTPRequestHandler):
    service = "server"
    server_version = "archon-demo"

    def log_message(self, format: str, *args: Any) -> None:
        """Health checks every two seconds would bury what the service itself has to say."""

    def reply(self, status: int, content: str, kind: str = "application/json") -> None:
        body = content.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self) -> None:
        path = urllib.parse.urlsplit(self.path).path
        name = TITLES[self.service]
        try:
            if path in ("/health", "/api/health"):
                self.reply(200, json.dumps({"status": "healthy", "service": name, **check(self.service)}))
            elif path == "/api/settings" and self.service == "server":
                self.reply(200, json.dumps([visible(row) for row in rest(f"select={COLUMNS}&order=category,key")]))
            elif path == "/" and self.service == "ui":
                self.reply(200, PAGE, "text/html")
            elif path == "/":
                self.reply(200, json.dumps({"name": name, "demo": True}))
            else:
                self.reply(404, json.dumps({"detail": "Not Found"}))
        except RestError as error:
            self.reply(503, json.dumps({"status": "unhealthy", "service": name, "error": str(error)}))

    do_HEAD = do_GET  # noqa: N815 - the base class asks for this name


def announce_settings() -> None:
    """Read the settings until it works once, and say so, as the real server does at its start."""
    wait, last = 1.0, ""
    while True:
        try:
            log("INFO", f"Loaded {check('server')['settings']} settings from the database")
        except RestError as error:
            if str(error) != last:
                log("ERROR", "Failed to load settings from the database")
            last = str(error)
            log("ERROR", f"httpx.{last}" if last.startswith("ConnectError") else last)
            time.sleep(wait)
            wait = min(wait * 1.5, 5.0)
            continue
        log("INFO", "Database schema initialization complete")
        return


class Server(ThreadingHTTPServer):
    daemon_threads = True


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in PORTS:
        print(__doc__, file=sys.stderr)
        return 2
    service = arguments[0]
    os.environ["ARCHON_SERVICE"] = service
    # PID 1 has no default for these: without a handler `docker stop` would wait ten seconds and kill. One that came
    # before this line was held back, see the Dockerfile, and comes now.
    endings = (signal.SIGTERM, signal.SIGINT)
    for number in endings:
        signal.signal(number, lambda *_: os._exit(0))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, endings)
    handler = type("Handler", (Handler,), {"service": service})
    server = Server(("0.0.0.0", PORTS[service]), handler)
    log("INFO", f"{TITLES[service]} (demo) listens on port {PORTS[service]}")
    if service == "server":
        threading.Thread(target=announce_settings, daemon=True).start()
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
