"""Which word was meant where only some words are allowed. Pure: it suggests and never decides."""

from __future__ import annotations

import difflib
import re
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_READ_CHARACTERS = 80
_LIKENESS = 0.5
_TOOL_LIKENESS = 0.7
_AMOUNT = re.compile(r"[0-9]++(?:[.:][0-9]*+)?[a-z]{0,2}")

# What people and models write, and the words that mean it; those that are no choice of the argument do not count.
_MEANINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("image", "photo", "photograph", "picture", "pic", "still", "png", "jpg", "jpeg"),
            ("image_refer",),
        ),
        **dict.fromkeys(("video", "clip", "movie", "film", "footage", "mp4", "mov"), ("video_refer",)),
        **dict.fromkeys(("own", "mine", "my", "private", "user", "personal"), ("custom",)),
        **dict.fromkeys(("official", "kling", "public", "builtin", "stock"), ("preset",)),
        **dict.fromkeys(("all", "any", "both", "every", "everything", "everywhere", "either"), ("all", "any")),
        **dict.fromkeys(("succeed", "succeeded", "success", "done", "finished", "available", "usable"), ("ready",)),
        **dict.fromkeys(("processing", "submitted", "running", "unfinished", "waiting", "queued"), ("pending",)),
        **dict.fromkeys(("error", "refused", "rejected", "failure"), ("failed",)),
        **dict.fromkeys(("removed", "gone"), ("deleted",)),
        **dict.fromkeys(("with", "only", "required"), ("yes",)),
        **dict.fromkeys(("without", "none"), ("no", "off")),
        **dict.fromkeys(("portrait", "vertical", "upright", "tall"), ("9:16", "image_refer")),
        **dict.fromkeys(("landscape", "horizontal", "wide", "widescreen"), ("16:9",)),
        **dict.fromkeys(("square",), ("1:1",)),
        **dict.fromkeys(("on", "true", "sound", "audio", "generate", "voice"), ("native",)),
        **dict.fromkeys(("false", "mute", "muted", "silent"), ("off",)),
        **dict.fromkeys(("hd", "720"), ("720p",)),
        **dict.fromkeys(("full-hd", "fullhd", "fhd", "1080"), ("1080p",)),
        **dict.fromkeys(("uhd", "2160p"), ("4k",)),
        # Text alone takes no elements; with elements, a video from text is made on the Omni routes. fact: no-elements
        **dict.fromkeys(("text-to-video", "text2video", "t2v"), ("omni-video",)),
        **dict.fromkeys(("text-to-image", "text2image", "t2i"), ("omni-image",)),
    }
)

_IN_NAMES_OF_TOOLS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("photo", "photograph", "picture", "pic", "still"), "image"),
        **dict.fromkeys(("clip", "film", "movie", "footage"), "video"),
        **dict.fromkeys(("character", "person", "cast"), "element"),
        **dict.fromkeys(("make", "render"), "generate"),
        **dict.fromkeys(("remove",), "delete"),
        **dict.fromkeys(("search",), "find"),
    }
)


def nearest(given: str, choices: Sequence[str]) -> str:
    """The choice that was most probably meant: by meaning, else by spelling; "" if none is like it."""
    text = given[:_READ_CHARACTERS].strip().lower()
    for word in (text, *re.findall(r"[a-z0-9-]+", text), *re.findall(r"[a-z0-9]+", text)):
        meant = _MEANINGS.get(word) or _MEANINGS.get(word.removesuffix("s")) or ()
        if found := next((choice for choice in choices if choice in meant), ""):
            return found
    return _like(text, choices)


def nearest_tool(given: str, names: Sequence[str]) -> str:
    """The tool that was most probably meant, "" if none is like it: a picture is an image there, and a clip a video."""
    words = re.findall(r"[a-z0-9]+", given[:_READ_CHARACTERS].lower())
    meant = "_".join(_IN_NAMES_OF_TOOLS.get(word.removesuffix("s"), word) for word in words)
    near = difflib.get_close_matches(meant, names, n=1, cutoff=_TOOL_LIKENESS)
    whole = [name for name in names if len(meant) > 2 and meant in name]
    return near[0] if near else min(whole, key=len, default="")


def _like(text: str, choices: Sequence[str]) -> str:
    """By spelling. Kling's names are often given in part, such as a model without its route."""
    part = _letters_and_digits(text)
    whole = [choice for choice in choices if part in _letters_and_digits(choice)]
    if len(part) > 2 and whole:
        return min(whole, key=len)
    lower = {choice.lower(): choice for choice in choices}
    if _AMOUNT.fullmatch(text):  # 8k is no slip of the pen for 4k
        return ""
    near = difflib.get_close_matches(text, lower, n=1, cutoff=_LIKENESS)
    return lower[near[0]] if near else ""


def _letters_and_digits(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())
