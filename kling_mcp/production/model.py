"""What a production sheet and its lock file say, as plain data: nothing is read, checked or sent here.

`read_sheet` makes sheets, with every default applied and every path made absolute; `lock` keeps lock files.
"" and () mean not given. Every id is text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from kling_mcp.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from kling_mcp.generation.draft import VideoUse
    from kling_mcp.generation.models import Audio, VideoModel, VideoResolution


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a file, both from 1; 0 is unknown, as in TOML."""

    line: int = 0
    column: int = 0


NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class SheetProblem(Problem):
    """A problem of a sheet; its argument is the way to the value, such as `cast.Mia.others[1]`."""

    place: Place = NOWHERE

    def __str__(self) -> str:
        where = f"line {self.place.line}, " if self.place.line else ""
        return f"{where}{Problem.__str__(self)}"


@dataclass(frozen=True, slots=True)
class Media:
    """A picture or clip that a sheet names.

    Attributes:
        given: as it is written in the sheet.
        source: what to read: an absolute path, or the https link, `data:` or `file:` URI as given. Paths begin at the
            folder of the sheet, `~` is the home folder.
        digest: SHA-256 of the picture's bytes, or of a link's text, hexadecimal, as in `Picture.digest`.
    """

    given: str
    source: str
    digest: str = ""
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True, kw_only=True)
class CastEntry:
    """One element that an episode needs.

    It is made from `front` and `others`, or from `video`. Otherwise it exists already, and is adopted by `element_id`
    or, without one, by its name.

    Attributes:
        name: the element's name, as prompts name it: `@Mia`.
        place: of the name.
        video: an https link.
        voice: the exact name of a voice, or its id.
        tags: names or ids of tags, as given.
        element_id: of an element to adopt; then the rest only describes it, and nothing is made.
    """

    name: str
    place: Place = NOWHERE
    description: str = ""
    front: Media | None = None
    others: tuple[Media, ...] = ()
    video: str = ""
    voice: str = ""
    tags: tuple[str, ...] = ()
    element_id: str = ""

    @property
    def is_adopted(self) -> bool:
        """Whether the sheet says which element it is."""
        return bool(self.element_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One video, or as many as `takes` says. The names are those of `VideoDraft`, which it can be made into.

    Attributes:
        id: its key in the sheet.
        place: of the id.
        elements: exact names or ids of elements, beside those that the prompt names.
        shots: texts such as `3: @Mia waves`, in place of a prompt.
        duration: whole seconds; None is 5, or what `shots` add up to.
        aspect_ratio: "" is 16:9 where one is needed.
        takes: how many videos of this shot there are; each is paid for.
        save_as: a name or folder inside the output folder; the reader fills in the id where none is given.
    """

    id: str
    place: Place = NOWHERE
    prompt: str = ""
    elements: tuple[str, ...] = ()
    images: tuple[Media, ...] = ()
    first_frame: Media | None = None
    last_frame: Media | None = None
    video_url: str = ""
    video_use: VideoUse = "feature"
    shots: tuple[str, ...] = ()
    model: VideoModel = "3.0-omni"
    duration: int | None = None
    aspect_ratio: str = ""
    resolution: VideoResolution = "720p"
    audio: Audio = "off"
    takes: int = 1
    save_as: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A production sheet without problems. `cast` and `shots` are in the order of the file.

    Attributes:
        path: the real path of the file.
        digest: SHA-256 of its bytes, hexadecimal.
    """

    path: Path
    version: int
    cast: Mapping[str, CastEntry]
    shots: Mapping[str, Shot]
    digest: str


@dataclass(frozen=True, slots=True)
class ReplacedElement:
    """An element that was the entry's before, and still exists at Kling. `replaced_at` is ISO 8601 in UTC."""

    element_id: str
    element_name: str = ""
    replaced_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedElement:
    """The element that was made, or adopted, for a cast entry.

    Attributes:
        element_id: "" while its task is not finished.
        content: a hash of everything that it was made from; "" for an adopted one.
        made_from: the same part by part, to say what changed: a text as it is, a picture as `sha256:…`.
        made_at: ISO 8601 in UTC.
        replaced: earlier elements of this entry, the oldest first.
    """

    element_id: str = ""
    element_name: str = ""
    task_id: str = ""
    external_task_id: str = ""
    content: str = ""
    made_from: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    made_at: str = ""
    replaced: tuple[ReplacedElement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedShot:
    """One take of a shot that was rendered, or is under way.

    Attributes:
        content: a hash of everything that it was made from, the ids of its elements too.
        made_from: the same part by part, see `LockedElement`.
        files: paths below the output folder, or absolute ones; () while nothing is saved.
        units: what Kling deducted, as text; "" if unknown.
        element_ids: of the elements it shows, by name.
        made_at: ISO 8601 in UTC.
    """

    task_id: str = ""
    external_task_id: str = ""
    content: str = ""
    made_from: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    files: tuple[str, ...] = ()
    units: str = ""
    element_ids: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    made_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The lock file beside a sheet.

    Attributes:
        cast: by the name of the entry.
        shots: by the id of the shot, and by the take, from 1.
    """

    version: int = 1
    cast: Mapping[str, LockedElement] = field(default_factory=lambda: MappingProxyType({}))
    shots: Mapping[str, Mapping[int, LockedShot]] = field(default_factory=lambda: MappingProxyType({}))
