#!/usr/bin/python
# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send a short text by the host's own sendmail, or by an SMTP server."""

DOCUMENTATION = r"""
module: mail_notification
short_description: Mail a short text by sendmail or SMTP
version_added: 0.1.0
author: bulkhead.stack authors (@bulkhead-stack)
description:
  - Mails a text, by the C(sendmail) program of the host, or by an SMTP server where O(host) is given.
extends_documentation_fragment:
  - bulkhead.stack.attributes
attributes:
  check_mode:
    support: full
    details:
      - Nothing is sent.
  diff_mode:
    support: none
    details:
      - A message is nothing that could be compared.
  idempotent:
    support: none
    details:
      - Each call sends a mail.
options:
  to:
    description: To whom.
    type: list
    elements: str
    required: true
  sender:
    description: From whom. By default C(bulkhead) at this host's name.
    type: str
  subject:
    description: The subject, in one line.
    type: str
    required: true
  text:
    description: The text.
    type: str
    required: true
  host:
    description: An SMTP server. Without one the program of O(sendmail) takes the mail.
    type: str
  port:
    description: Its port.
    type: int
    default: 25
  security:
    description: Whether the connection is encrypted from its beginning, by STARTTLS, or not at all.
    type: str
    choices: [none, starttls, tls]
    default: none
  ca_file:
    description: File with the certificates that are trusted, where the system's don't do.
    type: path
  username:
    description: Who logs in there; without it nobody does.
    type: str
  password:
    description: With which password.
    type: str
  sendmail:
    description: The program that takes a mail from its input, as C(sendmail -t -i) does.
    type: path
    default: /usr/sbin/sendmail
  timeout_s:
    description: How long to wait for the server or the program, in seconds.
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: Tell that the dumps failed, by the host's own mail
  bulkhead.stack.mail_notification:
    to: [ops@example.org]
    subject: "Backups of db1: failed"
    text: "archon_db: no space left on device"

- name: The same by a server
  bulkhead.stack.mail_notification:
    to: [ops@example.org]
    subject: "Backups of db1: failed"
    text: "archon_db: no space left on device"
    host: mail.example.org
    port: 587
    security: starttls
    username: db1
    password: "{{ vault_mail_password }}"
"""

RETURN = r"""
by:
  description: What took the mail.
  returned: success
  type: str
  sample: mail.example.org port 587
"""

import smtplib
import socket
import ssl
import subprocess
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.bulkhead.stack.plugins.module_utils._core.errors import BulkheadError, InputError, OutsideError


def compose(options: Dict[str, Any]) -> EmailMessage:
    """Return the message.

    Raises:
        InputError: an address or the subject has a line break, which would add headers of somebody else's choice.
    """
    message = EmailMessage()
    sender = options["sender"] or "bulkhead@%s" % socket.gethostname()
    for name, value in (("Subject", options["subject"]), ("From", sender), ("To", ", ".join(options["to"]))):
        if "\n" in value or "\r" in value:
            raise InputError("%s has a line break: %r." % (name, value), "Say it in one line.")
        message[name] = value
    message["Date"] = formatdate(localtime=True)
    message["Message-ID"] = make_msgid(domain="bulkhead.invalid")
    # No answer of somebody's absence.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(options["text"])
    return message


def send_by_server(message: EmailMessage, options: Dict[str, Any]) -> str:
    """Hand the message to an SMTP server; return its name."""
    place = "%s port %d" % (options["host"], options["port"])
    try:
        context = ssl.create_default_context(cafile=options["ca_file"])
        if options["security"] == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                options["host"], options["port"], timeout=options["timeout_s"], context=context
            )
        else:
            server = smtplib.SMTP(options["host"], options["port"], timeout=options["timeout_s"])
        with server:
            if options["security"] == "starttls":
                server.starttls(context=context)
            if options["username"]:
                server.login(options["username"], options["password"] or "")
            refused = server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise OutsideError("%s didn't take the mail: %s." % (place, str(error).rstrip("."))) from error
    if refused:
        raise OutsideError("%s took the mail, but not for %s." % (place, ", ".join(sorted(refused))))
    return place


def send_by_program(message: EmailMessage, options: Dict[str, Any]) -> str:
    """Hand the message to the host's sendmail; return its path."""
    program = options["sendmail"]
    try:
        done = subprocess.run(
            [program, "-t", "-i"],
            input=message.as_bytes(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=options["timeout_s"],
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OutsideError(
            "%s didn't take the mail: %s." % (program, str(error).rstrip(".")),
            "Install one (Debian: msmtp-mta, postfix), or name an SMTP server with host.",
        ) from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().rstrip(".") or "it said nothing"
        raise OutsideError("%s failed with exit status %d: %s." % (program, done.returncode, said))
    return str(program)


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "to": {"type": "list", "elements": "str", "required": True},
            "sender": {"type": "str"},
            "subject": {"type": "str", "required": True},
            "text": {"type": "str", "required": True},
            "host": {"type": "str"},
            "port": {"type": "int", "default": 25},
            "security": {"type": "str", "choices": ["none", "starttls", "tls"], "default": "none"},
            "ca_file": {"type": "path"},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "sendmail": {"type": "path", "default": "/usr/sbin/sendmail"},
            "timeout_s": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    options = module.params
    try:
        message = compose(options)
        by = "%s port %d" % (options["host"], options["port"]) if options["host"] else options["sendmail"]
        if not module.check_mode:
            by = (send_by_server if options["host"] else send_by_program)(message, options)
    except BulkheadError as error:
        module.fail_json(**error.result())
    module.exit_json(changed=True, by=by)


if __name__ == "__main__":
    main()
