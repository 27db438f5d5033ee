"""Finds the file that a path means, although it is spelled otherwise than on the disk.

Only allowed folders are listed, never one outside, not even to learn whether something exists.
"""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from kling_mcp.media.beneath import base_of, exists, names_in
from kling_mcp.sanitize import without_invisible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kling_mcp.media.policy import MediaPolicy

MAX_NAMES_SEEN = 5000
_MAX_NAME_CHARACTERS = 255  # no system allows more, and normal forms take quadratic time on a run of marks
# What a shell needs a backslash for; a backslash in front of a letter is one of Windows, or part of a name.
_SHELL_ESCAPE = re.compile(r"\\([^\w/])")


def spellings(path: str) -> list[str]:
    """The path as it is, and as a shell would read it: a terminal writes `My\\ Pictures` for a dragged file."""
    plain = _SHELL_ESCAPE.sub(r"\1", path) if os.sep == "/" else path
    return list(dict.fromkeys([path, plain]))


def locate(path: str, policy: MediaPolicy) -> Path:
    """Where the path leads, with every link followed; it may be missing, or outside of the allowed folders.

    A part that does not exist stands for the one that looks the same, if there is exactly one.
    """
    real = Path(os.path.realpath(path))
    if not is_inside(real, policy):
        real = Path(os.path.realpath(_in_allowed_spelling(path, policy)))
    missing: list[str] = []
    here = real
    while is_inside(here, policy) and not exists(here, policy):
        missing.append(here.name)
        here = here.parent
    while missing and is_inside(here, policy):
        twins = [name for name in names_in(here, policy, MAX_NAMES_SEEN) if look(name) == look(missing[-1])]
        if len(twins) != 1:
            break
        here = Path(os.path.realpath(here / twins[0]))
        missing.pop()
    return here.joinpath(*reversed(missing))


def is_inside(real: Path, policy: MediaPolicy) -> bool:
    """Whether a path without links lies in an allowed folder."""
    return base_of(real, policy) is not None


def find_way_out(path: str, policy: MediaPolicy) -> Path | None:
    """The link below an allowed folder through which the path leaves all of them, if there is one."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - `resolve` would follow the link
    for base in _bases(policy):
        if absolute.is_relative_to(base):
            for part in range(len(base.parts) + 1, len(absolute.parts) + 1):
                here = Path(*absolute.parts[:part])
                if not is_inside(Path(os.path.realpath(here)), policy):
                    return here
    return None


def look(name: str) -> str:
    """The name as displayed: composed accents, every kind of space as a plain one, nothing invisible.

    macOS writes narrow no-break spaces into the names of screenshots and decomposed accents into archives, and
    Windows puts direction marks into copied paths; a model that copies such a name types the plain characters.
    """
    composed = unicodedata.normalize("NFC", without_invisible(name[:_MAX_NAME_CHARACTERS]))
    return "".join(" " if unicodedata.category(character) == "Zs" else character for character in composed)


def _in_allowed_spelling(path: str, policy: MediaPolicy) -> Path:
    """The path with the name of an allowed folder as it was configured, if it begins with one that looks the same.

    In upper or lower case, too, where the disk sees no difference.
    """
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - links are followed later
    looks = [look(part) for part in absolute.parts]
    for base in _bases(policy):
        length = len(base.parts)
        own = [look(part) for part in base.parts]
        if own == looks[:length] or (_fold(own) == _fold(looks[:length]) and _is_same(base, absolute.parts[:length])):
            return base.joinpath(*absolute.parts[length:])
    return absolute


def _fold(parts: Sequence[str]) -> list[str]:
    return [part.casefold() for part in parts]


def _is_same(base: Path, parts: Sequence[str]) -> bool:
    """Whether this disk takes the parts for the same folder, as those of macOS do whatever the case."""
    try:
        return base.samefile(Path(*parts))
    except OSError:
        return False


def _bases(policy: MediaPolicy) -> Iterator[Path]:
    """Every allowed folder by its configured and its real name."""
    for folder in policy.allowed_dirs:
        yield Path(os.path.abspath(folder))  # noqa: PTH100 - its configured name
        yield Path(os.path.realpath(folder))
