# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that ask from inside a container, and what their lines mean.

One run asks all layers. Host, port and URL are arguments, never part of a program's text. Both programs say what they
find in lines of a word and its value; ``read_facts`` is what reads them.
"""

import ipaddress
import re
import sys
from dataclasses import dataclass, replace
from typing import Dict, Iterable, List, Optional, Sequence, Tuple
from urllib.parse import urlsplit

# What became of a connection, from the best to the worst.
ACCEPTED, REFUSED, DROPPED = "accepted", "refused", "dropped"
HOST_UNREACHABLE, NETWORK_UNREACHABLE = "host-unreachable", "network-unreachable"
OUTCOMES = (ACCEPTED, REFUSED, DROPPED, HOST_UNREACHABLE, NETWORK_UNREACHABLE)

# A proxy would answer in the host's place; an empty variable is none for Python, curl and both kinds of wget.
WITHOUT_PROXY = {name: "" for base in ("http_proxy", "https_proxy", "all_proxy") for name in (base, base.upper())}

# Any Python 3: the image's, not ours; -I, so that no file of the service's takes a library's place. A certificate is
# not judged, because a throwaway container trusts other authorities than the service does; a redirect is an answer.
PYTHON = r"""
import errno, socket, ssl, sys, urllib.error, urllib.request

host, port, url = sys.argv[1:4]


def say(*words):
    print(*" ".join(str(word) for word in words).split())


def connect(family, address):
    try:
        with socket.socket(family, socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            connection.connect(address)
        return "accepted"
    except socket.timeout:
        return "dropped"
    except OSError as error:
        known = {
            errno.ECONNREFUSED: "refused",
            errno.ETIMEDOUT: "dropped",
            errno.EHOSTUNREACH: "host-unreachable",
            errno.ENETUNREACH: "network-unreachable",
        }
        return known.get(error.errno, error)


def ask_port(found):
    for family, address in found:
        say("address", address[0])
        try:
            # Nothing is sent: the kernel only chooses the route and the address to send from.
            with socket.socket(family, socket.SOCK_DGRAM) as unsent:
                unsent.connect((address[0], 9))
                say("source", unsent.getsockname()[0])
        except OSError:
            say("no-route")
            continue
        outcome = connect(family, address) if port else "accepted"
        if port:
            say("port", outcome)
        if outcome == "accepted":
            return True
    return False


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *anything):
        return None


def ask_url():
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(Stay, urllib.request.HTTPSHandler(context=trusting))
    try:
        say("http", opener.open(url, timeout=10).getcode())
    except urllib.error.HTTPError as error:
        say("http", error.code)
    except Exception as error:
        say("http-failed", getattr(error, "reason", None) or error or type(error).__name__)


try:
    found = []
    for family, _type, _protocol, _name, address in socket.getaddrinfo(host, int(port or 0), 0, socket.SOCK_STREAM):
        if (family, address) not in found:
            found.append((family, address))
except (OSError, UnicodeError) as error:
    say("unresolved", getattr(error, "strerror", None) or error)
else:
    if ask_port(found[:4]) and url:
        ask_url()
"""

# Any POSIX shell. `getent hosts` would ask for an IPv6 address first, even where /etc/hosts knows the name.
SHELL = r"""
host=$1 port=$2 url=$3 url_host=$4 url_port=$5 url_path=$6 url_authority=$7 python=$8
LC_ALL=C
export LC_ALL
set -f

has() {
  command -v "$1" >/dev/null 2>&1
}

# Python asks everything by itself; for a name alone getent is quicker.
if has python3 && { [ -n "$port$url" ] || ! has getent; }; then
  exec python3 -I -c "$python" "$host" "$port" "$url"
fi

say() {
  printf '%s\n' "$*"
}

copy() {
  [ -r "$2" ] || return
  while read -r line; do say "$1" "$line"; done <"$2"
}

# What a tool's exit status and words mean; fails where they are no answer. Sets `accepted`, to 0 where it did.
say_port() {
  case "$*" in
    "0 "*) say port accepted ;;
    "124 "* | "143 "* | *"timed out"*) say port dropped ;;
    *"onnection refused"*) say port refused ;;
    *"etwork is unreachable"* | *"etwork unreachable"*) say port network-unreachable ;;
    *"o route to host"* | *"ost is unreachable"*) say port host-unreachable ;;
    *) return 1 ;;
  esac
  accepted=${1%% *}
}

ask_port() {
  if has timeout && has bash; then
    said=$(timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$host" "$port" 2>&1)
    say_port "$? $said" && return
  fi
  if has nc; then
    said=$(nc -z -vv -w 5 "$host" "$port" 2>&1 </dev/null)
    say_port "$? $said"
  fi
}

ask_url() {
  if has curl; then
    said=$(curl -s -S -k -o /dev/null -w 'HTTP/1 %{http_code} ' --max-time 10 "$url" 2>&1)
    say curl $? $said
  elif has wget; then
    said=$(wget -q -S -t 1 -T 10 --no-check-certificate -O /dev/null "$url" 2>&1)
    say wget $? $said
  elif has bash && has timeout && [ -n "$url_host" ]; then
    said=$(timeout 10 bash -c '
      exec 3<>"/dev/tcp/$0/$1" || exit 1
      printf "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" "$2" "$3" >&3
      read -r line <&3 && printf "%s" "$line"
    ' "$url_host" "$url_port" "$url_path" "$url_authority" 2>&1)
    say bash $? $said
  fi
}

if has getent; then
  said=$(getent ahosts "$host" 2>&1)
  found=$?
  say getent $found $said
  if [ $found = 2 ]; then exit 0; fi
else
  copy hosts /etc/hosts
fi
copy route /proc/net/route
accepted=0
if [ -n "$port" ]; then ask_port; fi
if [ -n "$url" ] && [ "$accepted" = 0 ]; then ask_url; fi
exit 0
"""

_STATUS = re.compile(r"HTTP/[0-9.]+ ([1-9][0-9][0-9])\b")
# From there on a status says how the shell or a signal ended a tool, nothing of what was asked.
_NOT_THE_TOOLS_OWN = 125
# Of GNU's timeout and of busybox's.
_ENDED_BY_TIMEOUT = (124, 143)
_ROUTE_UP, _ROUTE_REJECTS = 0x1, 0x200


@dataclass(frozen=True)
class Facts:
    """What was found out; None is what nothing could tell.

    Arguments:
        source: the address that packets to the host leave from.
        gateway: the next hop to the host, where the routing table was read.
        port: one of OUTCOMES, or the reason that a tool gave.
        http_error: why there was no answer.
    """

    resolves: Optional[bool] = None
    address: Optional[str] = None
    resolve_error: str = ""
    route: Optional[bool] = None
    source: Optional[str] = None
    gateway: Optional[str] = None
    port: Optional[str] = None
    http_status: Optional[int] = None
    http_error: Optional[str] = None

    def untold(self, port: Optional[int], url: Optional[str]) -> str:
        """Return the first layer that was asked for and that nothing could tell; an empty text where all is told."""
        if self.resolves is None:
            return "resolve"
        if not self.resolves or self.route is False:
            return ""
        if port is not None and self.port is None:
            return "port"
        if port is not None and self.port != ACCEPTED:
            return ""
        return "http" if url and self.http_status is None and self.http_error is None else ""


def programs(host: str, port: Optional[int], url: Optional[str]) -> List[List[str]]:
    """Return the commands that ask, the first to be tried first; 126 or 127 means that the image can't run it."""
    asked = [host, "" if port is None else str(port), url or ""]
    return [["sh", "-c", SHELL, "sh", *asked, *_plain_http(url), PYTHON], ["python3", "-I", "-c", PYTHON, *asked]]


def port_of(url: str, host: str) -> Optional[int]:
    """Return the port of a URL, where it names this host; None otherwise, and where it is no URL."""
    try:
        parts = urlsplit(url)
        if (parts.hostname or "").lower() != host.lower().strip("[]"):
            return None
        return parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None


def _plain_http(url: Optional[str]) -> List[str]:
    """Return host, port, path and authority of an http URL for who writes the request himself; else empty texts."""
    try:
        parts = urlsplit(url or "")
        if parts.scheme != "http" or not parts.hostname:
            return ["", "", "", ""]
        path = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        return [parts.hostname, str(parts.port or 80), path, parts.netloc.rpartition("@")[2]]
    except ValueError:
        return ["", "", "", ""]


def read_facts(output: str, host: str, port: Optional[int] = None, url: Optional[str] = None) -> Facts:
    """Return what the lines of a program say; a line that is none of its own says nothing."""
    attempts: List[Facts] = []
    told: Dict[str, List[str]] = {}
    for line in output.splitlines():
        word, _blank, value = line.partition(" ")
        value = value.strip()
        if word == "address":
            attempts.append(Facts(resolves=True, address=value))
        elif word in ("source", "no-route", "port") and attempts:
            attempts[-1] = _attempt(attempts[-1], word, value)
        else:
            told.setdefault(word, []).append(value)
    if attempts:
        facts = min(attempts, key=_distance)
    else:
        facts = _resolution(told, host)
        if facts.address:
            facts = _route(facts, told.get("route", ()))
        if "port" in told:
            facts = _attempt(facts, "port", told["port"][0])
    facts = _http(facts, told)
    if facts.http_status is not None and port is not None and port_of(url or "", host) == port:
        # Who got an answer has come through all layers before it.
        facts = replace(facts, resolves=True, route=True, port=ACCEPTED)
    return facts


def _attempt(facts: Facts, word: str, value: str) -> Facts:
    if word == "source":
        return replace(facts, route=True, source=value)
    if word == "no-route":
        return replace(facts, route=False)
    if value not in OUTCOMES:
        return replace(facts, port=value or "no reason given")
    return replace(facts, resolves=True, route=value != NETWORK_UNREACHABLE, port=value)


def _distance(facts: Facts) -> int:
    """Return how far an attempt was from success: the one that came furthest is the one to speak of."""
    if facts.port in OUTCOMES:
        return OUTCOMES.index(facts.port)
    return len(OUTCOMES) + (0 if facts.route else 1)


def _resolution(told: Dict[str, List[str]], host: str) -> Facts:
    if is_address(host):
        return Facts(resolves=True, address=host)
    if "unresolved" in told:
        return Facts(resolves=False, resolve_error=told["unresolved"][0])
    if "getent" in told:
        status, words = _status(told["getent"][0])
        # For each address a line of address, type and name; the type STREAM is not a word that a name can be.
        streams = [before for before, word in zip(words, words[1:]) if word == "STREAM"]
        addresses = streams or words[:1]
        if status == 0 and addresses:
            return Facts(resolves=True, address=addresses[0])
        # 2 is "not found"; whatever else it may be, it isn't an answer.
        return Facts(resolves=False, resolve_error="no such name") if status == 2 else Facts()
    return in_hosts_file(told.get("hosts", ()), host)


def is_address(host: str) -> bool:
    """Return whether a host is written as an address, so that there is no name to resolve."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def in_hosts_file(lines: Iterable[str], host: str) -> Facts:
    """Return where /etc/hosts has the name; where it hasn't, DNS may know it all the same."""
    for line in lines:
        words = line.partition("#")[0].split()
        if host.lower() in [word.lower() for word in words[1:]]:
            return Facts(resolves=True, address=words[0])
    return Facts()


def _route(facts: Facts, lines: Sequence[str]) -> Facts:
    """Return the facts with the route that /proc/net/route has to the address; it holds IPv4 only."""
    try:
        address = ipaddress.IPv4Address(facts.address or "")
    except ValueError:
        return facts
    best: Optional[Tuple[int, str]] = None
    for line in lines[1:]:
        fields = line.split()
        if len(fields) < 8:
            return facts
        flags = int(fields[3], 16)
        mask = int(_dotted(fields[7]))
        if flags & _ROUTE_UP and not flags & _ROUTE_REJECTS and int(address) & mask == int(_dotted(fields[1])):
            best = max(best or (-1, ""), (mask, str(_dotted(fields[2]))))
    if not lines:
        return facts
    if address.is_loopback:
        return replace(facts, route=True)
    if best is None:
        return replace(facts, route=False)
    return replace(facts, route=True, gateway=None if best[1] == "0.0.0.0" else best[1])


def _dotted(field: str) -> ipaddress.IPv4Address:
    """Return an address as the kernel prints it there: bytes in the network's order, read as a number of its own."""
    return ipaddress.IPv4Address(int(field, 16).to_bytes(4, sys.byteorder))


def _http(facts: Facts, told: Dict[str, List[str]]) -> Facts:
    if "http" in told:
        return replace(facts, http_status=int(told["http"][0]))
    if "http-failed" in told:
        return replace(facts, http_error=told["http-failed"][0])
    for tool in ("curl", "wget", "bash"):
        if tool not in told:
            continue
        status, words = _status(told[tool][0])
        text = " ".join(words)
        found = _STATUS.search(text)
        if found:
            return replace(facts, http_status=int(found.group(1)))
        if tool == "wget" and status == 0:
            # The one of busybox may not say the status, but ends well only where it was a good one.
            return replace(facts, http_status=200)
        # A wget without these options, or without TLS, has not asked; nor has a tool that a signal ended.
        if "sage: " in text or "not an http" in text or (status >= _NOT_THE_TOOLS_OWN and tool != "bash"):
            return facts
        reason = text.replace("HTTP/1 000", "").strip()[:300]
        if not reason:
            reason = "no answer within 10 s" if status in _ENDED_BY_TIMEOUT else "%s ends with %d" % (tool, status)
        return replace(facts, http_error=reason)
    return facts


def _status(value: str) -> Tuple[int, List[str]]:
    words = value.split()
    return int(words[0]), words[1:]
