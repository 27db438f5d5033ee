"""The pictures that a sheet names: found relative to its folder, read once each, and checked.

Blocking. No link is opened.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from kling_mcp.errors import InputError
from kling_mcp.media import foreign_paths
from kling_mcp.media.files import MISSING, expand_home, near_pictures
from kling_mcp.media.inputs import load_picture
from kling_mcp.media.source import unwrap
from kling_mcp.production.model import Media
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from pathlib import Path

    from kling_mcp.media.policy import MediaPolicy
    from kling_mcp.production.fields import Problems, Slot
    from kling_mcp.production.model import Place

# What is no path, so that the rules for pictures say what it is. One letter and a colon is a Windows drive.
_SCHEMES = "|".join(("https?", "data", "file", *sorted(foreign_paths.CHAT_SCHEMES)))
_OTHER_FORM = re.compile(rf"(?:[a-z][a-z0-9+.-]+://|(?:{_SCHEMES}):|www\.)", re.ASCII | re.IGNORECASE)
_MAX_PATH_CHARACTERS = 512
_LIKENESS = 0.5
# A sheet that was written on Windows; before other signs a backslash is a shell's.
_BACKSLASH = re.compile(r"\\(?=\w)")


class SheetMedia:
    """The pictures of one sheet."""

    def __init__(self, folder: Path, policy: MediaPolicy, problems: Problems) -> None:
        self._folder = folder
        self._policy = policy
        self._problems = problems
        self._digests: dict[str, str] = {}

    def picture(self, slot: Slot) -> Media:
        """The picture of a key; without a digest after noting what is wrong with it."""
        return self._load(slot.text, slot.path, slot.place)

    def pictures(self, slot: Slot) -> tuple[Media, ...]:
        """The pictures of a list, in the same way."""
        return tuple(
            self._load(text, f"{slot.path}[{index}]", place)
            for index, (text, place) in enumerate(zip(slot.texts, slot.items, strict=True))
        )

    def source_of(self, given: str) -> str:
        """What to read: a path is made absolute, everything else stays."""
        value = unwrap(given)
        if _OTHER_FORM.match(value) or len(value) > _MAX_PATH_CHARACTERS or foreign_paths.is_windows_absolute(value):
            return value
        if os.sep == "/":
            value = _BACKSLASH.sub("/", value)
        # Without `..`, which no picture may have: the sheet's folder says what it means, and the target is checked.
        return os.path.normpath(self._folder / expand_home(value)) if value else ""

    def _load(self, given: str, path: str, place: Place) -> Media:
        source = self.source_of(given)
        if source not in self._digests:
            try:
                self._digests[source] = load_picture(source, path, self._policy).digest()
            except InputError as error:
                for problem in error.problems:
                    fix = self._fix_for_missing(source) if problem.rule == MISSING else problem.fix
                    self._problems.relay(replace(problem, fix=fix), path, place)
        return Media(given, source, self._digests.get(source, ""), place)

    def _fix_for_missing(self, source: str) -> str:
        """A sheet lies beside its pictures, so names that have only their beginning in common are worth a mention."""
        near = near_pictures(source, self._policy, _LIKENESS)
        if not near:
            return "check the name; paths begin at the folder of the sheet."
        return f"did you mean {' or '.join(map(quote, near))} in the same folder?"
