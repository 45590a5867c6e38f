# Copyright (c) 2026, the bulkhead.stack authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Marked blocks in somebody's own file, as bytes: where they are, and the file with one of them changed.

Only what stands between a block's marks is ours. Line ends, a byte order mark, a missing end of the last line stay.
"""

import re
from dataclasses import dataclass
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .._core.errors import ConflictError, InputError

# How marks and texts are written, by what a file is.
STYLES = ("markdown", "html", "text", "hash")
_BY_SUFFIX = {
    "markdown": ("md", "markdown", "mdx", "mkd"),
    "html": ("html", "htm", "xhtml"),
    "text": ("txt", "text", "log"),
    "hash": (
        "yml",
        "yaml",
        "env",
        "conf",
        "cfg",
        "toml",
        "sh",
        "bash",
        "py",
        "properties",
        "gitignore",
        "dockerignore",
    ),
}
_NAME = re.compile(r"[a-z][a-z0-9_-]*\Z")
_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r|\Z)")
_BOM = b"\xef\xbb\xbf"
_OTHER_ENCODINGS = (b"\xff\xfe", b"\xfe\xff")
# CommonMark 0.31, 4.4: four columns and more make code, in which nothing is a comment.
_INDENT = rb"^ {0,3}"
_OF_HTML = (
    re.compile(_INDENT + rb"<!--[ \t]*bulkhead:[ \t]*([a-z][a-z0-9_-]*)[ \t]*\((begin|end)\)[ \t]*-->[ \t]*$"),
    re.compile(_INDENT + rb"<!--[ \t]*bulkhead:"),
)
_OF_HASH = (
    re.compile(rb"^[ \t]*#[ \t]*bulkhead:[ \t]*([a-z][a-z0-9_-]*)[ \t]*\((begin|end)\)[ \t]*$"),
    re.compile(rb"^[ \t]*#[ \t]*bulkhead:.*\((?:begin|end)"),
)
# CommonMark 0.31, 4.5: an info string after backticks has none; the end has at least as many, and nothing behind.
_FENCE = re.compile(_INDENT + rb"(`{3,}(?=[^`]*$)|~{3,})")
_FENCE_END = re.compile(_INDENT + rb"(`{3,}|~{3,})[ \t]*$")


class Block(NamedTuple):
    """A block in a file: the numbers of the lines that hold its marks, from 0."""

    name: str
    begin: int
    end: int


@dataclass(frozen=True)
class Text:
    """A file as it was read, in lines with their ends, and the blocks in it."""

    path: str
    style: str
    bom: bytes
    lines: Tuple[bytes, ...]
    blocks: Mapping[str, Block]
    # The line of a code block that never ends, from 0.
    open_fence: Optional[int]

    def content(self) -> bytes:
        """Return what the file holds."""
        return self.bom + b"".join(self.lines)


def style_of(path: str) -> str:
    """Return how marks are written in a file of this name.

    Raises:
        InputError: the name doesn't say.
    """
    name = path.rsplit("/", 1)[-1].lower()
    # `.env.local` and `.env` are of one kind.
    suffix = "env" if name.startswith(".env") else name.rsplit(".", 1)[-1] if "." in name else ""
    for style, suffixes in _BY_SUFFIX.items():
        if suffix in suffixes:
            return style
    raise InputError(
        "%s: its name doesn't say how comments are written in it." % path,
        "Say comments: %s or %s." % (", ".join(STYLES[:-1]), STYLES[-1]),
    )


def read_text(path: str, content: bytes, style: str) -> Text:
    """Return a file with its blocks.

    Raises:
        InputError: it is no text in UTF-8's order of bytes.
        ConflictError: marks have no counterpart, lie in one another, or are there twice; the message names the lines.
    """
    if content.startswith(_OTHER_ENCODINGS) or b"\0" in content:
        raise InputError("%s is no text in UTF-8." % path, "Save it as UTF-8, or name another file.")
    bom = _BOM if content.startswith(_BOM) else b""
    lines = tuple(line for line in _LINE.findall(content[len(bom) :]) if line)
    blocks, open_fence = _find(path, lines, style)
    return Text(path, style, bom, lines, blocks, open_fence)


def _find(path: str, lines: Sequence[bytes], style: str) -> Tuple[Dict[str, Block], Optional[int]]:
    mark, like_mark = _OF_HASH if style in ("hash", "text") else _OF_HTML
    blocks: Dict[str, Block] = {}
    fence, fence_line = b"", None
    opened: Optional[Tuple[str, int]] = None
    for number, line in enumerate(lines):
        bare = line.rstrip(b"\r\n")
        if style == "markdown":
            if fence:
                found = _FENCE_END.match(bare)
                if found and found.group(1)[:1] == fence[:1] and len(found.group(1)) >= len(fence):
                    fence, fence_line = b"", None
                continue
            found = _FENCE.match(bare)
            if found:
                fence, fence_line = found.group(1), number
                continue
        found = mark.match(bare)
        if found is None:
            if like_mark.match(bare):
                raise _wrong(path, number, "is no mark: it needs a block's name, and (begin) or (end)")
            continue
        name, kind = found.group(1).decode("ascii"), found.group(2)
        if kind == b"begin":
            if opened is not None:
                raise _wrong(
                    path, number, "block %s begins inside of block %s of line %d" % (name, opened[0], opened[1] + 1)
                )
            if name in blocks:
                raise _wrong(path, number, "block %s is there twice, first in line %d" % (name, blocks[name].begin + 1))
            opened = (name, number)
        elif opened is None or opened[0] != name:
            raise _wrong(path, number, "block %s ends and didn't begin" % name)
        else:
            blocks[name] = Block(name, opened[1], number)
            opened = None
    if opened is not None:
        inside = " outside of the code block of line %d" % (fence_line + 1) if fence_line is not None else ""
        raise _wrong(path, opened[1], "block %s begins and doesn't end%s" % (opened[0], inside))
    return blocks, fence_line


def _wrong(path: str, number: int, what: str) -> ConflictError:
    return ConflictError(
        "%s, line %d: %s. Nothing was written." % (path, number + 1, what),
        "Mend the marks, or take them all out to have the block at the end.",
    )


def with_block(text: Text, name: str, body: str, create: bool = True) -> Text:
    """Return the file with this text between a block's marks; at its end where there are none, if that is asked for.

    Arguments:
        body: the text, its lines ended by line feeds.

    Raises:
        InputError: the name or the text can't be a block's.
        ConflictError: the file can't take it.
    """
    if not _NAME.match(name):
        raise InputError("A block can't be named %r." % name, "Use small letters, digits, - and _.")
    block = text.blocks.get(name)
    if block is None and not create:
        return text
    body_lines = [line.encode("utf-8") for line in _dressed(text.style, body)]
    _check(text, name, body_lines)
    if block is not None:
        end = _line_end(text.lines[block.begin])
        inner = tuple(line + end for line in body_lines)
        return _again(text, text.lines[: block.begin + 1] + inner + text.lines[block.end :])
    if text.open_fence is not None:
        raise _wrong(text.path, text.open_fence, "a code block begins and doesn't end; a block behind it would be code")
    end = next((_line_end(line) for line in reversed(text.lines) if _line_end(line)), b"\n")
    added = [_mark(text.style, name, "begin"), *body_lines, _mark(text.style, name, "end")]
    if not text.lines:
        return _again(text, tuple(line + end for line in added))
    if _line_end(text.lines[-1]):
        return _again(text, text.lines + (end,) + tuple(line + end for line in added))
    # A last line without an end stays the way of this file: that is how its removal knows.
    head = text.lines[:-1] + (text.lines[-1] + end, end)
    return _again(text, head + tuple(line + end for line in added[:-1]) + (added[-1],))


def without_block(text: Text, name: str) -> Text:
    """Return the file without a block, and without the empty line before it that came with it."""
    block = text.blocks.get(name)
    if block is None:
        return text
    before, after = list(text.lines[: block.begin]), list(text.lines[block.end + 1 :])
    ended = bool(_line_end(text.lines[block.end]))
    if before and _is_empty(before[-1]):
        before.pop()
    elif (
        not before
        and len(after) > 1
        and _is_empty(after[0])
        and any(b.begin == block.end + 2 for b in text.blocks.values())
    ):
        after.pop(0)
    if before and not after and not ended:
        before[-1] = before[-1].rstrip(b"\r\n")
    return _again(text, tuple(before + after))


def body_of(text: Text, name: str) -> str:
    """Return what stands between a block's marks, for a diff; an empty text where there is no such block."""
    block = text.blocks.get(name)
    if block is None:
        return ""
    lines = text.lines[block.begin + 1 : block.end]
    return "".join(line.rstrip(b"\r\n").decode("utf-8", "replace") + "\n" for line in lines)


def _again(text: Text, lines: Tuple[bytes, ...]) -> Text:
    return read_text(text.path, text.bom + b"".join(lines), text.style)


def _check(text: Text, name: str, body: Sequence[bytes]) -> None:
    """Refuse what would end the block early, or what the file's encoding can't hold."""
    what = "The text for block %s of %s" % (name, text.path)
    try:
        blocks, open_fence = _find(what, [line + b"\n" for line in body], text.style)
    except ConflictError as error:
        raise InputError("%s holds a mark." % what) from error
    if blocks or open_fence is not None or any(b"\r" in line for line in body):
        raise InputError("%s holds a mark, a code block without an end, or a carriage return." % what)
    if any(line for line in body if not line.isascii()) and not _is_utf8(text.lines):
        raise ConflictError("%s isn't in UTF-8, and block %s needs it." % (text.path, name), "Save the file as UTF-8.")


def _is_utf8(lines: Sequence[bytes]) -> bool:
    try:
        b"".join(lines).decode("utf-8")
        return True
    except UnicodeDecodeError:
        return False


def _dressed(style: str, body: str) -> List[str]:
    """Return the lines that stand between the marks."""
    lines = body.strip("\n").split("\n")
    if style == "hash":
        return [("# " + line).rstrip() for line in lines]
    if style == "html":
        escaped = [line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for line in lines]
        return ["<pre>", *escaped, "</pre>"]
    # The empty lines are those that formatters of Markdown would put there.
    return ["", *lines, ""]


def _mark(style: str, name: str, kind: str) -> bytes:
    words = "bulkhead: %s (%s)" % (name, kind)
    return ("# " + words if style in ("hash", "text") else "<!-- %s -->" % words).encode("ascii")


def _line_end(line: bytes) -> bytes:
    return line[len(line.rstrip(b"\r\n")) :]


def _is_empty(line: bytes) -> bool:
    return line in (b"\n", b"\r\n", b"\r")
