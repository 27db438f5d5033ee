"""What a caller asks to be generated, in the words of the tools. Plain data: nothing is read, checked or sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from kling_mcp.generation.models import Audio, ImageModel, ImageResolution, VideoResolution

VideoUse = Literal["feature", "base"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoDraft:
    """A video. "", () and None mean not given.

    Attributes:
        prompt: with @names; not given beside `shots`.
        elements: exact names or element ids, beside those that the prompt names.
        images: reference pictures, `@image_1` and so on in the prompt.
        video_use: whether `video_url` gives a style or motion (`feature`) or is itself edited (`base`).
        shots: texts such as `3: @Mia waves`.
        model: a `VideoModel`, or one that the operator has added.
        duration: whole seconds; None is 5, or what the shots add up to.
        aspect_ratio: None is 16:9 where one is needed.
    """

    prompt: str = ""
    elements: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    first_frame: str = ""
    last_frame: str = ""
    video_url: str = ""
    video_use: VideoUse = "feature"
    shots: tuple[str, ...] = ()
    model: str = "3.0-omni"
    duration: int | None = None
    aspect_ratio: str | None = None
    resolution: VideoResolution = "720p"
    audio: Audio = "off"

    @property
    def has_base_video(self) -> bool:
        """Whether a video is edited."""
        return bool(self.video_url) and self.video_use == "base"

    @property
    def has_feature_video(self) -> bool:
        """Whether a video gives style or motion."""
        return bool(self.video_url) and self.video_use == "feature"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageDraft:
    """Pictures. "", () and None mean not given; `aspect_ratio` None is the model's own default."""

    prompt: str
    elements: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    model: ImageModel = "3.0-omni"
    count: int = 1
    aspect_ratio: str | None = None
    resolution: ImageResolution = "1k"
