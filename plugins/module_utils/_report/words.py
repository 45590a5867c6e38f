# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages call things: each state as a word, a mark and a class, so that colour is never alone."""

from typing import Any, Dict, Iterable, List, NamedTuple, Optional


class State(NamedTuple):
    """How something is, as a page shows it."""

    key: str
    mark: str
    word: str
    # What the page's colours know: bad, warn, good, plain.
    tone: str

    def shown(self) -> Dict[str, str]:
        """Return it for a template."""
        return dict(self._asdict())


# The gravest first: pages count and sort by this order.
SEVERITIES = {
    "critical": State("critical", "✖", "critical", "bad"),
    "high": State("high", "▲", "high", "bad"),
    "medium": State("medium", "◆", "medium", "warn"),
    "low": State("low", "●", "low", "plain"),
    "note": State("note", "○", "note", "plain"),
}
VERDICTS = {
    "catastrophic": State("catastrophic", "✖", "catastrophic", "bad"),
    "shared": State("shared", "▲", "shared", "warn"),
    None: State("unseen", "?", "not seen", "warn"),
    "contained": State("contained", "✔", "contained", "good"),
    "none": State("none", "○", "nothing in it", "plain"),
}
NODES = {
    "ok": State("ok", "", "", "plain"),
    "foreign": State("foreign", "!", "in another's database", "bad"),
    "unseen": State("unseen", "?", "not seen", "warn"),
    "absent": State("absent", "–", "not there", "warn"),
}
# Of what is a container rather than a database.
NOT_RUNNING = State("absent", "–", "not running", "warn")
COPIES = {
    "read": State("read", "●", "read back", "good"),
    "hashed": State("hashed", "◐", "hashed", "plain"),
    "unverified": State("unverified", "○", "unverified", "warn"),
    "failed": State("failed", "✖", "failed", "bad"),
    "missing": State("missing", "–", "missing", "bad"),
}
KEPT = State("kept", "✔", "kept", "good")
BROKEN = State("broken", "✖", "not kept", "bad")
UNKNOWN = State("unknown", "?", "not known", "warn")
UNSTATED = State("unstated", "○", "not stated", "plain")
UNSEEN = State("unseen", "?", "not seen", "warn")
# Of the newest verified copy.
FRESH = State("fresh", "✔", "fresh enough", "good")
TOO_OLD = State("old", "✖", "too old", "bad")
UNMEASURED = State("unmeasured", "○", "there is one", "plain")
NO_COPY = State("none", "✖", "none", "bad")
NO_COPY_WANTED = State("none", "▲", "none", "warn")
# Of whether a service reaches the host.
REACHED = State("yes", "✔", "yes", "good")
NOT_REACHED = State("no", "✖", "no", "bad")
# Of who may connect to a database.
EVERY_ROLE = State("open", "▲", "every role", "warn")
GRANTED = State("closed", "✔", "who was granted it", "good")

# What a node is, one and several; the order is that of the columns.
KINDS = {
    "service": ("service", "services"),
    "gateway": ("gateway", "gateways"),
    "postgrest": ("PostgREST instance", "PostgREST instances"),
    "database": ("database", "databases"),
    "cluster": ("cluster", "clusters"),
}


def counted(number: int, one: str, several: str) -> str:
    """Return ``1 finding``, ``3 findings``."""
    return "%d %s" % (number, one if number == 1 else several)


def enumeration(parts: Iterable[str], last: str = "and") -> str:
    """Return ``a``, ``a and b``, ``a, b and c``."""
    words: List[str] = list(parts)
    return words[0] if len(words) == 1 else (" %s " % last).join([", ".join(words[:-1]), words[-1]]) if words else ""


def state_of(known: Dict[Any, State], key: Optional[str]) -> State:
    """Return a state by its key. One that nobody knows is shown with its own name, and never as fine."""
    return known.get(key) or State("unseen", "?", str(key), "warn")
