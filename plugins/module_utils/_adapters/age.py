# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encryption by the program ``age``: to public keys, so that who dumps can't read what he has dumped; and back."""

import contextlib
import os
import shutil
import subprocess
import threading
from typing import Any, Callable, Iterable, Iterator, List, Sequence

from .._core.errors import BulkheadError, InputError, OutsideError, StateError

_CHUNK_BYTES = 256 * 1024


class Age:
    """Encrypts streams to recipients.

    Arguments:
        recipients: public keys: of age (``age1…``), or of SSH (``ssh-ed25519 …``, ``ssh-rsa …``).
    """

    def __init__(self, recipients: Sequence[str]) -> None:
        self.recipients = list(recipients)

    def check(self) -> None:
        """See that it will work, before there is anything to encrypt.

        Raises:
            StateError: this host has no ``age``. InputError: a recipient is no public key.
        """
        if shutil.which("age") is None:
            raise StateError(
                "Copies are to be encrypted, and this host has no program age. Nothing was begun.",
                "Install it (Debian: age), or leave encrypt_to out.",
            )
        for recipient in self.recipients:
            if recipient.upper().startswith("AGE-SECRET-KEY-"):
                # It must not be shown again.
                raise InputError("One of encrypt_to is a secret key.", "Name its public key: age-keygen -y FILE.")
            # One that began with a dash would be an option.
            argv = ["age", "--encrypt", "--recipient=" + recipient]
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
            if done.returncode != 0:
                raise InputError(
                    "%r of encrypt_to is no public key that age knows." % recipient,
                    "Name one that age-keygen printed (age1…), or an SSH public key.",
                )

    def encrypt(self, chunks: Iterable[bytes], sink: Callable[[bytes], Any]) -> None:
        """Encrypt a stream.

        Raises:
            OutsideError: it failed. What the chunks or the sink raise comes through.
        """
        argv = ["age", "--encrypt"] + ["--recipient=" + recipient for recipient in self.recipients]
        for data in _through(argv, chunks, "Nothing of it was kept."):
            sink(data)


class Identity:
    """Decrypts streams with a private key.

    Arguments:
        path: a file that holds one of age's, or of SSH without a passphrase.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def check(self) -> None:
        """See that it can be used, before anything is touched.

        Raises:
            StateError: this host has no ``age``. InputError: the file isn't there or can't be read.
        """
        if shutil.which("age") is None:
            raise StateError(
                "The copy is encrypted, and this host has no program age. Nothing was begun.",
                "Install it (Debian: age).",
            )
        if not os.access(self._path, os.R_OK):
            raise InputError(
                "The identity %s isn't there, or can't be read by this user." % self._path,
                "Name the file with the private key.",
            )

    def decrypt(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the plain stream; whoever stops listening ends it.

        Raises:
            OutsideError: the key doesn't fit, or the stream was cut off or changed.
        """
        argv = ["age", "--decrypt", "--identity=" + self._path]
        return _through(argv, chunks, "Does this identity belong to one of the copy's recipients?")


def _through(argv: Sequence[str], chunks: Iterable[bytes], remedy: str) -> Iterator[bytes]:
    """Yield what age makes of a stream.

    Raises:
        OutsideError: it failed. What the chunks raise comes through.
    """
    failed: List[Exception] = []
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:

        def feed() -> None:
            try:
                for chunk in chunks:
                    process.stdin.write(chunk)  # type: ignore[union-attr]
            except BrokenPipeError:
                # Its exit status says why it ended.
                return
            except (BulkheadError, OSError) as error:
                failed.append(error)
                process.kill()
            finally:
                with contextlib.suppress(OSError):
                    process.stdin.close()  # type: ignore[union-attr]

        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        try:
            while True:
                data = process.stdout.read(_CHUNK_BYTES)  # type: ignore[union-attr]
                if not data:
                    break
                yield data
        except BaseException:
            process.kill()
            raise
        finally:
            feeder.join()
        status = process.wait()
    if failed:
        raise failed[0]
    if status != 0:
        raise OutsideError("age ended with exit status %d." % status, remedy)
