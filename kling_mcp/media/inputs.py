"""The pictures and the video that a request brings, whatever it is for: loaded, checked, and with what to say of them.

It may read local files and picture headers; it never uses the network.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from kling_mcp.api import limits
from kling_mcp.errors import InputError, Problem
from kling_mcp.media import links
from kling_mcp.media.files import read_local
from kling_mcp.media.picture import Picture
from kling_mcp.media.probe import inspect
from kling_mcp.media.source import Inline, Link, parse_source, unwrap

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kling_mcp.media.policy import MediaPolicy

P = ParamSpec("P")
T = TypeVar("T")

_NOT_JPEG_OR_PNG = re.compile(r"\.(webp|gif|hei[cf]|avif|bmp|tiff?|svg|jxl|jp2|psd|pdf|mp4|mov|webm)")
# Endings of what is certainly something else; any other may be the name of a script that serves the file.
_MEDIA = re.compile(
    r"\.(webm|avi|mkv|wmv|flv|f4v|mpe?g|ogv|ts|m2ts|mts|3gp|m3u8|mpd|mp4|mov|mp3|wav|m4a|aac|ogg|flac"
    r"|jpe?g|png|gif|webp|hei[cf]|avif|bmp|tiff?|svg|pdf)"
)
_VIDEO_ENDINGS, _VOICE_ENDINGS = (".mp4", ".mov"), (".mp3", ".wav", ".mp4", ".mov")  # fact: voice-create


class Findings:
    """Runs checks and collects their problems."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[str] = []

    def take(self, otherwise: T, check: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The check's answer, or `otherwise` after noting its problems."""
        try:
            return check(*args, **kwargs)
        except InputError as error:
            self.problems.extend(error.problems)
            return otherwise

    def refuse(self, argument: str, rule: str, actual: str, fix: str) -> None:
        self.problems.append(Problem(argument, rule, actual, fix))

    def warn(self, *sentences: str) -> None:
        self.warnings.extend(sentence for sentence in sentences if sentence)


def load_picture(text: str, argument: str, policy: MediaPolicy) -> Picture:
    """One picture, checked as far as it can be without opening links. Raises InputError."""
    source = parse_source(text, argument, policy)
    if isinstance(source, Link):
        return Picture(argument, link=source.url)
    if isinstance(source, Inline):
        data, given = source.data, "the data: URI"
    else:
        data, given = read_local(source.path, argument, policy), source.path
    facts = inspect(data, given, argument)
    return Picture(argument, data=data, width=facts.width, height=facts.height, format=facts.format)


def check_video_link(text: str, form: str) -> str:
    """The link of a video, as it will be sent. Raises InputError. facts: video-url-only, gen30-videos

    Args:
        form: what the video must be, such as "mp4 or mov, 3 to 8 s".
    """
    return _check_link(text, "video_url", "video", form, _VIDEO_ENDINGS)


def check_voice_link(text: str, form: str) -> str:
    """The link of a recording, or of a clip with it, likewise. Raises InputError. fact: voice-create"""
    return _check_link(text, "voice_url", "recording", form, _VOICE_ENDINGS)


def _check_link(text: str, argument: str, what: str, form: str, endings: Sequence[str]) -> str:
    value = unwrap(text)
    rule = f"must be an https link ({form}), because Kling has no upload route for {what}s"
    fix = f"put the {what} where an https link opens it without signing in, and give that link."
    if not value.lower().startswith("https:"):
        shown = f"a data: URI of {len(value)} characters" if value[:5].lower() == "data:" else links.show_link(value)
        raise InputError([Problem(argument, rule, shown, fix)])
    link = links.require_link(value, argument)
    ending = links.extension(link)
    if _MEDIA.fullmatch(ending) and ending not in endings:
        *others, last = (name.removeprefix(".") for name in endings)
        fix = f"give a link to an {', '.join(others)} or {last} file; this one ends in {ending}."
        raise InputError([Problem(argument, f"must be {form}", links.show_link(link), fix)])
    return link


def inline_warnings(pictures: Sequence[Picture]) -> list[str]:
    """A warning if the pictures together may make the request too large for Kling.

    Not an error: the cap is one party's finding, and each picture is within the official limit. fact: body-40mb
    """
    total = sum(picture.inline_bytes() for picture in pictures)
    if total <= limits.MAX_INLINE_BASE64_BYTES:
        return []
    warning = (
        f"The pictures together are {total} bytes as Base64; requests above about "
        f"{limits.MAX_INLINE_BASE64_BYTES} bytes are reported to be refused. "
        "If this one is, give some pictures as https links, or use smaller files."
    )
    return [warning]


def format_warnings(pictures: Sequence[Picture]) -> list[str]:
    """A warning per link whose extension suggests another format. fact: image-formats"""
    return [
        f"{picture.argument}: the link ends in {links.extension(picture.link)}; Kling accepts only JPEG and PNG."
        for picture in pictures
        if picture.link and _NOT_JPEG_OR_PNG.fullmatch(links.extension(picture.link))
    ]
