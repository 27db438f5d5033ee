"""Pictures, videos and elements of a generation, and how many of them go together, in either standard.

facts: element-targets, omni-counts, msg-bad-element, gen30-pictures

Must not know routes or bodies.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from kling_mcp.simulator.codes import refuse_value
from kling_mcp.simulator.generation.prices import Family
from kling_mcp.simulator.pictures import check_picture, require_link
from kling_mcp.simulator.records import ElementTask

FindElement = Callable[[str], ElementTask]
MAX_NEW_PICTURE_BYTES = 50 * 1024 * 1024  # fact: gen30-pictures


@dataclass(slots=True)
class Inputs:
    """What one request gives. `roles` are the frames and videos that it has, by the 3.0 standard's names;
    `pictures` counts those that are no frames.
    """

    find_element: FindElement = field(repr=False)
    roles: set[str] = field(default_factory=set)
    pictures: int = 0
    elements: list[ElementTask] = field(default_factory=list)
    picture_sums: list[str] = field(default_factory=list)

    @property
    def first_frame(self) -> bool:
        """Whether there is one."""
        return "first_frame" in self.roles

    @property
    def last_frame(self) -> bool:
        """Whether there is one."""
        return "last_frame" in self.roles

    @property
    def feature_video(self) -> bool:
        """Whether there is a reference video."""
        return "feature_video" in self.roles

    @property
    def base_video(self) -> bool:
        """Whether there is a video to edit."""
        return "base_video" in self.roles

    @property
    def has_video(self) -> bool:
        """Whether there is a reference or base video."""
        return self.feature_video or self.base_video

    @property
    def has_references(self) -> bool:
        """Whether there is more than text and frames."""
        return bool(self.pictures or self.elements or self.has_video)

    @property
    def has_video_element(self) -> bool:
        """Whether an element was made from a video."""
        return any(element.reference_type == "video_refer" for element in self.elements)

    @property
    def has_voice(self) -> bool:
        """Whether an element carries a voice."""
        return any(element.voice is not None for element in self.elements)

    def add_picture(self, text: str, field_name: str, most_bytes: int) -> None:
        """Check one picture. Raises RefusedError."""
        found = check_picture(text, field_name, most_bytes)
        if found:
            self.picture_sums.append(found)

    def add_element(self, element_id: object, *, as_text: bool) -> None:
        """Look one element up. In the 3.0 standard its id is text (fact: new-id-string), elsewhere also a number
        (fact: old-element-id). Raises RefusedError.
        """
        accepted = isinstance(element_id, str) or (type(element_id) is int and not as_text)
        self.elements.append(self.find_element(str(element_id) if accepted else ""))


def check_video(link: str, field_name: str) -> None:
    """A video comes by link only (fact: gen30-videos). Raises RefusedError."""
    require_link(link, field_name)
    suffix = PurePosixPath(urlsplit(link).path).suffix.lower()
    if suffix not in {"", ".mp4", ".mov"}:
        raise refuse_value(f"{field_name}: format {suffix} is not supported")


def check_counts(family: Family, given: Inputs) -> None:
    """Refuse inputs that the model does not take together. facts: element-targets, omni-counts, no-elements"""
    if given.last_frame and not given.first_frame:
        raise refuse_value("a last frame needs a first frame")
    if given.base_video and (given.first_frame or given.feature_video):  # fact: gen30-with-video
        raise refuse_value("a base video takes no frames and no reference video")
    videos = sum(element.reference_type == "video_refer" for element in given.elements)
    limit = _ELEMENT_LIMITS[family]
    if not limit(given, videos):
        raise refuse_value("The number of reference images and elements is out of range")


def _omni(given: Inputs, videos: int) -> bool:
    images = len(given.elements) - videos
    if given.has_video:
        if videos:
            return videos == 1 and not images and not given.pictures
        return given.pictures + images <= 4
    if given.first_frame and len(given.elements) > 3:
        return False
    if videos and images:
        return videos <= 3 and given.pictures + images <= 4
    return videos <= 3 and given.pictures + images <= 7


def _o1(given: Inputs, videos: int) -> bool:
    if videos:  # fact: video-models
        return False
    both = given.pictures + len(given.elements)
    if given.last_frame:
        return not both and not given.has_video
    return both <= (4 if given.has_video else 7)


_ELEMENT_LIMITS: dict[Family, Callable[[Inputs, int], bool]] = {
    "turbo": lambda given, _: not given.elements,
    "3.0": lambda given, _: len(given.elements) <= 3,
    "omni": _omni,
    "o1": _o1,
    "motion": lambda given, _: len(given.elements) <= 1,
    "picture": lambda given, videos: not videos and given.pictures + len(given.elements) <= 10,
}
