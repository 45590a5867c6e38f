"""``mail_notification`` and ``bulkhead.stack.notify``: mail, webhooks, a dead man's switch, to real listeners here."""

from __future__ import annotations

import email
import email.message
import http.server
import json
import pathlib
import socket
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from .conftest import CronHost

SECRET = "hunter2-and-more"


class Mailbox:
    """Keeps what an SMTP server is given."""

    def __init__(self) -> None:
        self.messages: list[email.message.Message] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """Take one message."""
        self.messages.append(email.message_from_bytes(envelope.content))
        return "250 taken"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def certificate(folder: pathlib.Path) -> pathlib.Path:
    """Make a certificate for localhost, and its key, in one file."""
    path = folder / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run(
        [*command, "-keyout", str(path), "-out", str(folder / "public.pem")], check=True, capture_output=True
    )
    path.write_text(path.read_text() + (folder / "public.pem").read_text())
    return path


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    box = Mailbox()
    port = free_port()
    server = Controller(box, hostname="127.0.0.1", port=port)
    server.start()
    try:
        yield box, port
    finally:
        server.stop()


class Listener:
    """A web server that keeps what it is sent, and answers as it is told to."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.status = 200
        listener = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                listener.requests.append((self.path, body, dict(self.headers)))
                self.send_response(listener.status)
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener()
    try:
        yield found
    finally:
        found.server.shutdown()
        found.server.server_close()


def test_a_mail_by_a_server(call: Any, mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    options = {"to": ["ops@example.org", "me@example.org"], "subject": "Dümps", "text": "über\n.\nend", "port": port}
    assert call("mail_notification", check=True, host="127.0.0.1", **options)["changed"]
    assert box.messages == []
    result = call("mail_notification", host="127.0.0.1", **options)
    assert result["by"] == "127.0.0.1 port %d" % port
    (message,) = box.messages
    assert str(email.header.make_header(email.header.decode_header(message["Subject"]))) == "Dümps"
    assert message["To"] == "ops@example.org, me@example.org"
    assert message.get_payload(decode=True).decode().splitlines() == ["über", ".", "end"]


def test_a_mail_by_a_server_that_wants_to_know_who_it_is(call: Any, tmp_path: pathlib.Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate(tmp_path))

    def check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"db1", SECRET.encode())
        return AuthResult(success=right, handled=right)

    box, port = Mailbox(), free_port()
    server = Controller(
        box, hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True, auth_required=True,
        authenticator=check,
    )  # fmt: skip
    server.start()
    try:
        options: dict[str, Any] = {"to": ["a@b.c"], "subject": "s", "text": "t", "host": "localhost", "port": port}
        options.update(security="starttls", username="db1", password=SECRET)
        untrusted = call("mail_notification", **options)
        assert "certificate verify failed" in untrusted["msg"].lower()
        options["ca_file"] = str(tmp_path / "public.pem")
        wrong = call("mail_notification", **dict(options, password="wrong-and-long"))
        assert "didn't take the mail" in wrong["msg"]
        assert "wrong-and-long" not in json.dumps(wrong)
        done = call("mail_notification", **options)
        assert (done.get("by"), len(box.messages)) == ("localhost port %d" % port, 1), done
        assert SECRET not in json.dumps(done)
    finally:
        server.stop()


def test_a_mail_by_a_program(call: Any, tmp_path: pathlib.Path) -> None:
    program = tmp_path / "sendmail"
    program.write_text('#!/bin/sh\necho "$@" >"$0.arguments"\ncat >"$0.mail"\n')
    program.chmod(stat.S_IRWXU)
    options = {"to": ["a@b.c"], "subject": "s", "text": "a text"}
    assert call("mail_notification", sendmail=str(program), **options)["by"] == str(program)
    assert (tmp_path / "sendmail.arguments").read_text() == "-t -i\n"
    message = email.message_from_bytes((tmp_path / "sendmail.mail").read_bytes())
    assert (message["To"], message["Auto-Submitted"]) == ("a@b.c", "auto-generated")
    assert "msmtp-mta" in call("mail_notification", sendmail=str(tmp_path / "none"), **options)["msg"]
    program.write_text("#!/bin/sh\ncat >/dev/null; echo no queue >&2; exit 75\n")
    assert "failed with exit status 75: no queue" in call("mail_notification", sendmail=str(program), **options)["msg"]
    spoofed = call("mail_notification", sendmail=str(program), **dict(options, subject="s\nBcc: x@y.z"))
    assert "Subject has a line break" in spoofed["msg"]


def test_a_mail_by_a_real_sendmail(cron_host: CronHost, tmp_path: pathlib.Path, mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    account = "account default\\nhost 127.0.0.1\\nport %d\\nauth off\\ntls off\\nfrom db1@example.org\\n" % port
    assert cron_host.run("sh", "-c", "printf '%s' >/etc/msmtprc" % account).returncode == 0
    arguments = tmp_path / "mail.json"
    options = {"to": ["ops@example.org"], "subject": "from a container", "text": "a text"}
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
    module = "ansible_collections.bulkhead.stack.plugins.modules.mail_notification"
    done = cron_host.run("env", "PYTHONPATH=" + cron_host.collections, "python3", "-m", module, str(arguments))
    assert json.loads(done.stdout)["by"] == "/usr/sbin/sendmail", done.stdout
    assert [message["Subject"] for message in box.messages] == ["from a container"]


def test_a_failure_and_the_success_after_it(
    environment: dict[str, str], tmp_path: pathlib.Path, mailbox: tuple[Mailbox, int], listener: Listener,
    start_server: Any,
) -> None:  # fmt: skip
    box, port = mailbox
    server = start_server("bulkhead/postgres:15")
    platform: dict[str, Any] = {
        "clusters": {"main": {"container": server.name, "password": server.password}},
        "backup_root": str(tmp_path / "backups"),
        "state_dir": str(tmp_path / "state"),
        "databases": {"archon": {"cluster": "main", "name": "postgres", "backup": {"schedule": "@daily"}}},
    }
    text = "{{ notify_subject }}: {{ notify_text }}"
    variables = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "bulkhead_platform": platform,
        "bulkhead_notify_mail": {"to": ["ops@example.org"], "host": "127.0.0.1", "port": port},
        "bulkhead_notify_webhooks": [
            {"url": "%s/ntfy" % listener.url},
            {"url": "%s/slack/%s" % (listener.url, SECRET), "body_format": "json", "body": {"text": text}},
        ],
        "bulkhead_notify_ping_url": "%s/ping/%s" % (listener.url, SECRET),
    }
    inventory = tmp_path / "inventory.yml"

    def play(moment: str) -> Any:
        inventory.write_text(yaml.safe_dump({"bulkhead": {"hosts": {"db1": variables}}}))
        listener.requests.clear()
        box.messages.clear()
        argv = ["ansible-playbook", "bulkhead.stack.backup", "-i", str(inventory), "-e", "bulkhead_clock=" + moment]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert SECRET not in done.stdout + done.stderr
        return done

    def paths() -> list[str]:
        return [path for path, _body, _headers in listener.requests]

    well = play("2026-11-20T01:00:00Z")
    assert well.returncode == 0, well.stdout
    # Where all is well nobody is told but the switch.
    assert (paths(), box.messages) == (["/ping/" + SECRET], [])

    platform["databases"]["archon"]["name"] = "nowhere"
    failed = play("2026-11-21T01:00:00Z")
    assert failed.returncode != 0
    assert paths() == ["/ntfy", "/slack/" + SECRET, "/ping/%s/fail" % SECRET], failed.stdout
    assert box.messages[0]["Subject"] == "db1: dumps failed, archon"
    assert "1 failed" in listener.requests[0][1]
    assert json.loads(listener.requests[1][1])["text"].startswith("db1: dumps failed, archon: DATABASE")
    assert server.password not in json.dumps(listener.requests) + box.messages[0].as_string()

    platform["databases"]["archon"]["name"] = "postgres"
    listener.status = 500
    recovered = play("2026-11-22T01:00:00Z")
    # Who can't be told makes no run fail; that he couldn't is told.
    assert recovered.returncode == 0, recovered.stdout
    assert "status 500" in recovered.stdout
    assert box.messages[0]["Subject"] == "db1: dumps are well"
    listener.status = 200
    play("2026-11-23T01:00:00Z")
    assert (paths(), box.messages) == (["/ping/" + SECRET], [])
