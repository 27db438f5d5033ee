"""Parses a picture argument: a link, inline bytes, or a local path.

Pure text: no file is opened and no link is fetched here; `files` reads local paths.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_to_bytes

from kling_mcp.api.limits import MAX_DATA_CHARACTERS, MAX_IMAGE_BYTES
from kling_mcp.errors import InputError, Problem
from kling_mcp.media import foreign_paths
from kling_mcp.media.links import require_link, show_link
from kling_mcp.sanitize import quote, trim

if TYPE_CHECKING:
    from kling_mcp.media.policy import MediaPolicy

ON_WINDOWS = os.name == "nt"

_FOUR_FORMS = "must be a local path, a file: URI, an https link or a data: URI"
_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’", "«": "»", "<": ">"}
_QUOTE_LAYERS = 3
# At least two letters: one letter and a colon is a Windows drive.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(//)?")
_KNOWN_SCHEMES = frozenset({"https", "http", "file", "data"}) | foreign_paths.CHAT_SCHEMES
_BASE64_START = re.compile(r"/9j/|iVBORw0KGgo")
_BASE64_ONLY = re.compile(r"[A-Za-z0-9+/_\s-]++=*+")
# Longer than any file name, shorter than the Base64 of the smallest picture.
_BASE64_FOR_SURE_CHARACTERS = 512
_BASE64_LIKELY_CHARACTERS = 40
_MAX_PATH_CHARACTERS = 4096
_MAX_HEADER_CHARACTERS = 1024
# Decoding them is slow. Base64 of the largest picture has fewer + and /, and nobody writes such a picture otherwise.
_MAX_PERCENT_SIGNS = 500_000
_TO_PLAIN_BASE64 = bytes.maketrans(b"-_", b"+/")
_WHITE_SPACE = b" \t\r\n\f\v"


@dataclass(frozen=True, slots=True)
class Link:
    """An https link that Kling opens itself."""

    url: str


@dataclass(frozen=True, slots=True)
class Inline:
    """The decoded bytes of a data: URI."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LocalPath:
    """A path on this machine, not checked yet: absolute, relative or starting with `~`."""

    path: str


def parse_source(
    text: str, argument: str, policy: MediaPolicy, *, windows: bool = ON_WINDOWS
) -> Link | Inline | LocalPath:
    """The parsed picture argument.

    Surrounding quotes and white space are tolerated. `windows` is the kind of machine this server runs on.
    Raises InputError for anything that is none of the four forms.
    """
    value = unwrap(text)
    if not value:
        raise _refused(argument, _FOUR_FORMS, "an empty text", "give one of the four forms.")
    scheme = _scheme(value)
    if scheme == "data":
        return Inline(_decode_data_uri(value, argument))
    if _is_bare_base64(value):
        fix = "put data:image/jpeg;base64, or data:image/png;base64, in front of it, or give a path or link."
        raise _refused(argument, _FOUR_FORMS, f"{len(value)} characters of bare Base64", fix)
    if scheme in {"https", "http"}:
        return Link(require_link(value, argument))
    _require_plain(value, argument)
    if scheme in foreign_paths.CHAT_SCHEMES:
        raise foreign_paths.chat_upload_refused(argument, value, policy)
    if scheme == "file":
        value = _path_of_file_uri(value, argument, windows=windows)
    elif scheme or re.match(r"www\.[^/\s]+/", value, re.IGNORECASE):
        raise _refused(argument, _FOUR_FORMS, show_link(value), "give an https link or save the file here.")
    return LocalPath(_require_native(value, argument, policy, windows=windows))


def unwrap(text: str) -> str:
    """The text without surrounding white space, invisible characters and quotes, which models and copying add."""
    value = trim(text)
    for _ in range(_QUOTE_LAYERS):
        if len(value) > 1 and _QUOTES.get(value[0]) == value[-1]:
            value = trim(value[1:-1])
    return value


def _scheme(value: str) -> str:
    """The lower-case scheme if this is a URI, else "": `a:b.png` is a file name."""
    found = _SCHEME.match(value)
    if found is None:
        return ""
    scheme = found[1].lower()
    return scheme if scheme in _KNOWN_SCHEMES or found[2] else ""


def _is_bare_base64(value: str) -> bool:
    """Whether a model pasted a picture without the data: part; `/9j/…` even looks like a path."""
    value = value[:_MAX_PATH_CHARACTERS]  # a path has no more, so the rest does not matter
    if len(value) >= _BASE64_FOR_SURE_CHARACTERS:
        return _BASE64_ONLY.fullmatch(value) is not None
    starts = _BASE64_START.match(value) is not None and len(value) >= _BASE64_LIKELY_CHARACTERS
    return starts and _BASE64_ONLY.fullmatch(value) is not None


def _require_plain(value: str, argument: str) -> None:
    """Raises InputError if the text cannot be a path on any system."""
    if len(value) > _MAX_PATH_CHARACTERS:
        actual = f"{len(value)} characters"
        raise _refused(
            argument, f"must be a path of at most {_MAX_PATH_CHARACTERS} characters", actual, "give the file's path."
        )
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
        fix = "give the path on one line, without such characters."
        raise _refused(argument, "must have no control characters", quote(value), fix)


def _decode_data_uri(uri: str, argument: str) -> bytes:
    """The bytes of `data:[type][;base64],…`, whichever way they are encoded."""
    header, comma, payload = uri.partition(",")
    shown = f"a data: URI of {len(uri)} characters"
    if not comma or len(header) > _MAX_HEADER_CHARACTERS:
        fix = "write it as data:image/png;base64, and then the Base64 text."
        raise _refused(argument, "must have a comma before the data of a data: URI", shown, fix)
    if len(payload) > MAX_DATA_CHARACTERS or payload.count("%") > _MAX_PERCENT_SIGNS:
        fix = "save it as a smaller JPEG, or give a path or an https link."
        raise _refused(argument, f"must have at most {MAX_IMAGE_BYTES} bytes", shown, fix)
    if not re.search(r";\s*base64\s*$", header, re.IGNORECASE):
        return unquote_to_bytes(payload)
    packed = unquote_to_bytes(payload).translate(_TO_PLAIN_BASE64, _WHITE_SPACE).rstrip(b"=")
    try:
        return base64.b64decode(packed + b"=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError):
        fix = "encode the file again, or give its path; Base64 typed from memory does not work."
        raise _refused(argument, "must be valid Base64 after the comma of a data: URI", shown, fix) from None


def _path_of_file_uri(uri: str, argument: str, *, windows: bool) -> str:
    """The path a file: URI names, decoded. `?` and `#` stay: in practice they are part of the name."""
    rest = uri[len("file:") :]
    if windows:
        rest = rest.replace("\\", "/")
    if rest.startswith("//"):
        rest = re.sub(r"^localhost(?=/)", "", rest[2:], flags=re.IGNORECASE)
        # file://C:/x lacks a slash, but is common and unambiguous.
        if re.match(r"[A-Za-z]:/", rest):
            rest = "/" + rest
    fix = "write file:/// and the full path, or give the plain path."
    if not rest.startswith("/"):
        raise _refused(argument, "must name a full path on this computer", quote(uri), fix)
    try:
        path = unquote(rest, errors="strict")
    except UnicodeDecodeError:
        raise _refused(argument, "must be percent-encoded UTF-8, as it is a file: URI", quote(uri), fix) from None
    _require_plain(path, argument)
    return path[1:] if re.match(r"/[A-Za-z]:[\\/]", path) else path


def _require_native(path: str, argument: str, policy: MediaPolicy, *, windows: bool) -> str:
    """The path, if it is valid on this kind of machine and has no `..` parts; a drive by its name here."""
    if windows and not foreign_paths.is_chat_upload(path):
        path = foreign_paths.as_drive(path)
    elif not windows and policy.allows_name(mounted := foreign_paths.as_mounted_drive(path)):
        path = mounted
    if ".." in re.split(r"[\\/]" if windows else "/", path):
        raise _refused(argument, 'must have no ".." parts', quote(path), "give the full path, written out.")
    if not windows:
        if foreign_paths.is_windows_absolute(path):
            raise foreign_paths.other_machine_refused(argument, path, policy, windows=False)
        return path
    _require_ordinary_on_windows(path, argument, policy)
    return path


def _require_ordinary_on_windows(path: str, argument: str, policy: MediaPolicy) -> None:
    """Raises InputError for what Windows would not open as a file of this computer."""
    if foreign_paths.is_chat_upload(path):
        raise foreign_paths.chat_upload_refused(argument, path, policy)
    # Even opening a share or a device path contacts another machine or hardware.
    if path.startswith(("\\\\", "//")):
        rule = "must not be a network share or a device path"
        raise _refused(argument, rule, quote(path), "copy the file to a folder of this computer.")
    if path.startswith("/"):
        raise foreign_paths.other_machine_refused(argument, path, policy, windows=True)
    if re.match(r"[A-Za-z]:(?![\\/])", path):
        rule = "must have a backslash after the colon of the drive"
        raise _refused(argument, rule, quote(path), "give the full path.")
    if foreign_paths.names_device_or_stream(path):
        rule = "must name an ordinary file, no device such as NUL and nothing behind a second colon"
        raise _refused(argument, rule, quote(path), "give the path of one JPEG or PNG file.")


def _refused(argument: str, rule: str, actual: str, fix: str) -> InputError:
    return InputError([Problem(argument, rule, actual, fix)])
