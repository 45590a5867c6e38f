# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second route beside one that is there, in an nginx configuration: an edit of its text, nothing else touched.

nginx' own rules for words hold (its ``ngx_conf_read_token``): a comment or a quote begins only where a word may begin,
a backslash takes the next character along, the brace of ``${name}`` opens nothing, and ``}`` inside a word is a letter.
"""

import re
from dataclasses import dataclass
from typing import List, NamedTuple, Optional, Sequence, Tuple

from .._core.errors import ConflictError, InputError

WORD, OPEN, CLOSE, END, COMMENT = "word", "{", "}", ";", "comment"

_ROUTE = re.compile(r"^(/[A-Za-z0-9._~-]+)+\Z")
_SERVICE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(:\d{1,5})?\Z")
_URL_HOST = re.compile(r"^https?://([^/:$\s]+(?::\d+)?)(?=[/$]|$)")
_VARIABLE_URL = re.compile(r"^(?:https?://)?\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?")
_TOKENS = (
    # A JSON web token, credentials of a header, credentials of a URL.
    (re.compile(r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"), "********"),
    (re.compile(r"\b(Basic|Bearer) +(?![$])[^\s\"';]+", re.IGNORECASE), r"\1 ********"),
    (re.compile(r"(?<=://)[^/\s:@$]*:[^/\s@$]+(?=@)"), "********"),
)
_SECRETS = (
    *_TOKENS,
    (
        re.compile(r"((?:api_?key|token|secret|password)\S*\s*(?:!?=|~\*?)?\s*[\"'])(?![$])[^\"'\n]+", re.IGNORECASE),
        r"\1********",
    ),
)


class Token(NamedTuple):
    """A word, a brace, a semicolon or a comment, with its place in the text; a word's value is without its quotes."""

    kind: str
    start: int
    end: int
    value: str


@dataclass
class Directive:
    """A directive: its words, and where it stands. A block ends behind its closing brace."""

    words: List[Token]
    start: int
    end: int = 0
    is_block: bool = False
    parent: Optional["Directive"] = None

    @property
    def name(self) -> str:
        """Its first word."""
        return self.words[0].value if self.words else ""

    def is_location(self, path: str) -> bool:
        """Return whether this is the location of a path, as a prefix or exactly."""
        values = [word.value for word in self.words[1:]]
        return self.is_block and self.name == "location" and values in ([path], ["^~", path], ["=", path])


class Region(NamedTuple):
    """What stands between our two marks, the lines of the marks included."""

    start: int
    end: int


def tokens(text: str) -> List[Token]:
    """Return everything that a configuration is made of, white space left out.

    Raises:
        InputError: a quote isn't closed.
    """
    found: List[Token] = []
    position, length = 0, len(text)
    while position < length:
        character = text[position]
        if character in " \t\r\n":
            position += 1
        elif character == "#":
            end = text.find("\n", position)
            end = length if end < 0 else end
            if text[end - 1] == "\r":
                end -= 1
            found.append(Token(COMMENT, position, end, text[position:end]))
            position = end
        elif character in "{};":
            found.append(Token(character, position, position + 1, character))
            position += 1
        elif character in "\"'":
            end = _end_of_quoted(text, position)
            found.append(Token(WORD, position, end, text[position + 1 : end - 1]))
            position = end
        else:
            end = _end_of_word(text, position)
            found.append(Token(WORD, position, end, text[position:end]))
            position = end
    return found


def _end_of_quoted(text: str, start: int) -> int:
    position = start + 1
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] == text[start]:
            return position + 1
        position += 1
    raise InputError("The quote in line %d of the configuration is never closed." % line_number(text, start))


def _end_of_word(text: str, start: int) -> int:
    position = start
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 2
            continue
        if character in " \t\r\n;" or (character == "{" and text[position - 1] != "$"):
            break
        position += 1
    return min(position, len(text))


def line_number(text: str, position: int) -> int:
    """Return the line in which a position is, counted from 1."""
    return text.count("\n", 0, position) + 1


def directives(text: str) -> List[Directive]:
    """Return all directives, each before those that it holds.

    Raises:
        InputError: the braces don't match, or a directive isn't ended.
    """
    found: List[Directive] = []
    open_blocks: List[Directive] = []
    words: List[Token] = []
    for token in tokens(text):
        if token.kind == COMMENT:
            continue
        if token.kind == WORD:
            words.append(token)
            continue
        if token.kind == CLOSE:
            if words:
                raise _unreadable(text, words[0].start, "the directive has no semicolon")
            if not open_blocks:
                raise _unreadable(text, token.start, "a brace is closed that was never opened")
            open_blocks.pop().end = token.end
            continue
        if not words:
            raise _unreadable(text, token.start, "%s without a directive before it" % token.value)
        directive = Directive(
            words, words[0].start, token.end, token.kind == OPEN, open_blocks[-1] if open_blocks else None
        )
        found.append(directive)
        if directive.is_block:
            open_blocks.append(directive)
        words = []
    if open_blocks:
        raise _unreadable(text, open_blocks[-1].start, "the block is never closed")
    if words:
        raise _unreadable(text, words[0].start, "the directive has no semicolon")
    return found


def _unreadable(text: str, position: int, reason: str) -> InputError:
    return InputError(
        "The configuration can't be read, see its line %d: %s." % (line_number(text, position), reason),
        "Check it with `nginx -t`.",
    )


def marks(route: str) -> Tuple[str, str]:
    """Return the comments that begin and end the block of a route."""
    return "# bulkhead: route %s (begin)" % route, "# bulkhead: route %s (end)" % route


def regions(text: str, route: str) -> List[Region]:
    """Return what stands between the marks of a route, each with its whole lines.

    Raises:
        ConflictError: a mark is without the other one.
    """
    begin, end = marks(route)
    found: List[Region] = []
    start = -1
    for token in tokens(text):
        if token.kind != COMMENT:
            continue
        value = token.value.rstrip()
        if value not in (begin, end):
            continue
        if (value == begin) != (start < 0):
            raise ConflictError(
                "The mark `%s` in line %d is without its counterpart." % (value, line_number(text, token.start)),
                "Remove the mark, and the block that belongs to it.",
            )
        if value == begin:
            start = text.rfind("\n", 0, token.start) + 1
        else:
            line_end = text.find("\n", token.end)
            found.append(Region(start, len(text) if line_end < 0 else line_end + 1))
            start = -1
    if start >= 0:
        raise ConflictError(
            "The mark `%s` in line %d is without its counterpart." % (begin, line_number(text, start)),
            "Remove the mark, and the block that belongs to it.",
        )
    return found


def remove_route(data: bytes, route: str) -> bytes:
    """Return the configuration without the blocks of a route; nothing else differs."""
    text = data.decode("latin-1")
    check_route(route)
    for region in reversed(regions(text, route)):
        text = _without(text, region)
    return text.encode("latin-1")


def _without(text: str, region: Region) -> str:
    head, tail = text[: region.start], text[region.end :]
    if not text[region.start : region.end].endswith("\n"):
        # The block stood at the very end of a file without a last line break: both breaks before it are ours.
        return re.sub(r"(\r?\n){1,2}\Z", "", head) + tail
    blank = re.search(r"(?<=\n)\r?\n\Z", head)
    return head[: blank.start()] + tail if blank else head + tail


def add_route(data: bytes, like: str, route: str, service: str, like_service: Optional[str] = None) -> bytes:
    """Return the configuration with a route beside one that is there.

    Arguments:
        data: the file's content.
        like: path of the location that is copied: ``/rest/v1/``.
        route: what goes before that path: ``/archon``.
        service: where the copy leads: a host, or host and port.
        like_service: where the original leads; by default what it says itself.

    Raises:
        InputError: the original isn't there, or its upstream can't be told.
        ConflictError: a location of the new path is there and isn't ours.
    """
    check_route(route)
    check_service(service, "service")
    if like_service:
        check_service(like_service, "like_service")
    if not like.startswith("/") or re.search(r"[\s;{}\"'\\$]", like):
        raise InputError(
            "%r is no path of a location." % like, "Write it as it stands in the file, for example /rest/v1/."
        )
    text = data.decode("latin-1")
    old_regions = regions(text, route)
    bare = text
    for region in reversed(old_regions):
        bare = _without(bare, region)
    everything = directives(bare)
    originals = [directive for directive in everything if directive.is_location(like)]
    if not originals:
        raise _no_original(everything, like)
    for original in originals:
        for other in everything:
            if other.parent is original.parent and other.is_location(route + like):
                raise ConflictError(
                    "Line %d has a location %s already, and it isn't marked as ours."
                    % (line_number(bare, other.start), route + like),
                    "Remove it, or choose another route.",
                )
    copies = [_copy(bare, everything, original, like, route, service, like_service) for original in originals]
    if [text[region.start : region.end].rstrip("\r\n") for region in old_regions] == [
        copy for _place, copy, _newline in copies
    ]:
        return data
    for place, copy, newline in reversed(copies):
        if bare[:place].endswith("\n"):
            bare = bare[:place] + newline + copy + newline + bare[place:]
        else:
            bare = bare[:place] + newline + newline + copy + bare[place:]
    return bare.encode("latin-1")


def check_route(route: str) -> None:
    """Raise InputError where a route isn't one."""
    if not _ROUTE.match(route):
        raise InputError(
            "%r is no route." % route, "Write it like /archon: a slash, letters, digits, and no slash at its end."
        )


def check_service(service: str, option: str) -> None:
    """Raise InputError where a service isn't a host, or a host and a port."""
    if not _SERVICE.match(service):
        raise InputError(
            "%s is %r, and is to be a host, or host:port." % (option, service), "For example rest-archon:3000."
        )


def _no_original(everything: Sequence[Directive], like: str) -> InputError:
    paths = [
        " ".join(word.value for word in directive.words[1:])
        for directive in everything
        if directive.name == "location" and directive.is_block
    ]
    near = [path for path in paths if path.strip("/^~= ") == like.strip("/")]
    return InputError(
        "There is no location %s in this configuration." % like,
        "Did you mean %s?" % near[0] if near else "It has: %s." % (", ".join(paths) or "no location at all"),
    )


def _copy(
    text: str,
    everything: Sequence[Directive],
    original: Directive,
    like: str,
    route: str,
    service: str,
    like_service: Optional[str],
) -> Tuple[int, str, str]:
    """Return where the copy of a location belongs, the copy with its marks, and how lines end there."""
    line_end = text.find("\n", original.end)
    line_end = len(text) if line_end < 0 else line_end
    rest = text[original.end : line_end].strip()
    line_start = text.rfind("\n", 0, original.start) + 1
    indent = text[line_start : original.start]
    if (rest and not rest.startswith("#")) or indent.strip():
        raise InputError(
            "The location %s in line %d doesn't stand on lines of its own." % (like, line_number(text, original.start)),
            "Give its beginning and its closing brace a line each.",
        )
    if line_end < len(text):
        newline = "\r\n" if text[line_end - 1] == "\r" else "\n"
        place = line_end + 1
    else:
        newline = "\r\n" if "\r\n" in text else "\n"
        place = line_end
    inside = [item for item in everything if item.start > original.start and item.end < original.end]
    upstream = like_service or _upstream(text, everything, original, inside)
    body = _rewritten(text, original, inside, like, route, _Upstream.of(upstream, service, everything))
    begin, end = marks(route)
    return place, newline.join((indent + begin, indent + body, indent + end)), newline


def _upstream(text: str, everything: Sequence[Directive], original: Directive, inside: Sequence[Directive]) -> str:
    """Return the host, and the port where there is one, that a location passes its requests to."""
    passes = [item for item in inside if item.name == "proxy_pass" and len(item.words) == 2]
    hosts = set()
    for item in passes:
        value = item.words[1].value
        host = _URL_HOST.match(value)
        variable = _VARIABLE_URL.match(value)
        if host is None and variable is not None:
            name = "$" + variable.group(1)
            sets = [
                other
                for other in inside
                if other.name == "set" and len(other.words) == 3 and other.words[1].value == name
            ]
            if not sets:
                raise InputError(
                    "Where the location in line %d leads is in the variable %s, which is set outside of it."
                    % (line_number(text, original.start), name),
                    "Set the variable inside the location.",
                )
            for other in sets:
                host = _URL_HOST.match(other.words[2].value) or re.match(
                    r"^([^/:$\s]+(?::\d+)?)$", other.words[2].value
                )
                if host:
                    hosts.add(host.group(1))
        elif host is not None:
            hosts.add(host.group(1))
    if len(hosts) == 1:
        return hosts.pop()
    line = line_number(text, original.start)
    if not hosts:
        raise InputError(
            "Where the location in line %d leads can't be told: it has no proxy_pass to a host." % line,
            "Name the host that is to be replaced with like_service.",
        )
    raise InputError(
        "The location in line %d leads to several places: %s." % (line, ", ".join(sorted(hosts))),
        "Name the one that is to be replaced with like_service.",
    )


class _Upstream(NamedTuple):
    """The host and port to be replaced, and the new ones; ports may be empty."""

    host: str
    port: str
    new_host: str
    new_port: str

    @classmethod
    def of(cls, old: str, new: str, everything: Sequence[Directive]) -> "_Upstream":
        host, _colon, port = old.partition(":")
        new_host, _colon, new_port = new.partition(":")
        groups = [item.words[1].value for item in everything if item.name == "upstream" and len(item.words) > 1]
        if host in groups and not new_port and new_host not in groups:
            raise InputError(
                "%s is an upstream group of this configuration, and %s has no port." % (host, new),
                "Write service as host:port, for example %s:3000." % new,
            )
        return cls(host, port, new_host, new_port)

    def replaced(self, word: str) -> str:
        """Return a word of the configuration with the new upstream in place of the old one."""
        edge = r"(?![A-Za-z0-9_.-])"
        port = r"(?::%s(?!\d))" % re.escape(self.port) if self.port else r"(?P<port>:\d+)?(?!:)"
        pattern = re.compile(r"(?<=://)%s%s%s" % (re.escape(self.host), port, edge))

        def new(found: "re.Match[str]") -> str:
            _host, colon, old_port = found.group().partition(":")
            return self.new_host + (":" + self.new_port if self.new_port else colon + old_port)

        result = pattern.sub(new, word)
        if self.port:
            bare = re.compile(r"(?<![A-Za-z0-9_./-])%s%s%s" % (re.escape(self.host), port, edge))
            result = bare.sub(new, result)
        return result


def _rewritten(
    text: str, original: Directive, inside: Sequence[Directive], like: str, route: str, upstream: _Upstream
) -> str:
    """Return the text of a location for its new path and its new upstream."""
    # A regular expression may write a slash or a dot with a backslash.
    written = "".join(
        r"\\?%s" % re.escape(character) if character in "/." else re.escape(character) for character in like.rstrip("/")
    )
    prefix = re.compile(r"(?:(?<![A-Za-z0-9_.:\\-])|(?<=\$host)|(?<=\$http_host))%s(?![A-Za-z0-9_.-])" % written)

    def with_route(found: "re.Match[str]") -> str:
        slash = "\\/" if found.group().startswith("\\/") else "/"
        return route.replace("/", slash) + found.group()

    # What stands behind the upstream's host is a path of the upstream's, not of the gateway's.
    passes = {item.words[-1].start for item in inside if item.name in ("proxy_pass", "set")}
    pieces: List[str] = []
    position = original.start
    replaced = False
    for token in tokens(text):
        if token.start < original.start or token.end > original.end or token.kind not in (WORD, COMMENT):
            continue
        written_word = text[token.start : token.end]
        word = upstream.replaced(written_word)
        replaced = replaced or (word != written_word and token.kind == WORD)
        if token.start not in passes or not re.match(r"^[\"']?(https?://|\$)", word):
            word = prefix.sub(with_route, word) if like.rstrip("/") else word
        pieces += [text[position : token.start], word]
        position = token.end
    body = "".join(pieces) + text[position : original.end]
    if not replaced and (upstream.host, upstream.port) != (upstream.new_host, upstream.new_port or upstream.port):
        raise InputError(
            "The location %s in line %d doesn't lead to %s."
            % (like, line_number(text, original.start), ":".join(part for part in upstream[:2] if part)),
            "Correct like_service, or leave it out.",
        )
    if like.rstrip("/"):
        return body
    # The whole site is copied: only the location's own path tells the two apart.
    path = original.words[-1]
    return body[: path.start - original.start] + route + like + body[path.end - original.start :]


def without_tokens(text: str) -> str:
    """Return a text in which tokens and the credentials of headers and URLs are masked."""
    for pattern, replacement in _TOKENS:
        text = pattern.sub(replacement, text)
    return text


def for_display(data: bytes) -> str:
    """Return a configuration for a diff: tokens and passwords that are written out are masked."""
    text = data.decode("utf-8", "replace")
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text
