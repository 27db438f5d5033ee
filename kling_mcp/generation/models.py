"""The models that make videos and pictures: routes, fields, ranges and limits, as one table.

Data only; a new model is a new row. Kling ignores fields and values that a route does not know and bills the result
(fact: gen-unknown-fields-billed), so whatever is not in a row is never sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kling_mcp.generation.targets import Standard, TargetName

if TYPE_CHECKING:
    from decimal import Decimal

VideoModel = Literal["3.0-omni", "3.0", "3.0-turbo", "o1"]
ImageModel = Literal["3.0-omni", "3.0", "o1"]
VideoResolution = Literal["720p", "1080p", "4k"]
ImageResolution = Literal["1k", "2k", "4k"]
Audio = Literal["off", "native", "original"]
Frame = Literal["none", "optional", "required"]

_RATIOS = ("16:9", "9:16", "1:1")


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRoute:
    """One model on one route, for one set of inputs.

    Attributes:
        model_name: sent in the body; "" where the path names the model.
        target: whose handles and element limits apply; None takes no elements.
        first_frame: whether a first frame can or must be given.
        last_frame: whether a last frame may follow the first one.
        references: whether reference pictures and one reference video are taken.
        prompt_characters: the most in the prompt as it is sent, handles included.
        seconds: every duration that can be asked for.
        aspect_ratios: () if the route has no such field: the first frame decides.
        audio: () if the route has no such field: sound is always made.
        cuts: whether the route makes several shots in one video.
        like: for a model that the table does not list, the one whose rules it is checked against; otherwise "".
        most_units_a_second: what such a model costs at most, as far as an operator says.
    """

    model: str
    standard: Standard
    path: str
    model_name: str = ""
    target: TargetName | None = None
    first_frame: Frame
    last_frame: bool = False
    references: bool = False
    prompt_characters: int
    seconds: range
    resolutions: tuple[VideoResolution, ...]
    aspect_ratios: tuple[str, ...] = ()
    audio: tuple[Audio, ...] = ()
    cuts: bool
    like: str = ""
    most_units_a_second: Decimal | None = None

    @property
    def needs_api_key(self) -> bool:
        """fact: auth-pair-legacy-only"""
        return self.standard == "3.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRoute:
    """One picture model. Every one is on an older route, which takes both credentials. fact: gen-two-standards

    Attributes:
        pictures: the most reference pictures; together with elements at most `references`.
        default_ratio: what Kling uses where no ratio is sent.
    """

    model: ImageModel
    path: str
    model_name: str
    target: TargetName | None
    pictures: int
    references: int = 10
    prompt_characters: int = 2500
    resolutions: tuple[ImageResolution, ...]
    aspect_ratios: tuple[str, ...]
    default_ratio: str
    most: int = 9

    @property
    def names_pictures(self) -> bool:
        """Whether a prompt can name a picture; the route with one picture has no word for it."""
        return self.pictures > 1


MAX_SHOTS = 6
MAX_SHOT_CHARACTERS = 512

# facts: gen30-routes, gen30-models, gen30-prompt, gen30-prompt-lengths
_NEW: tuple[VideoRoute, ...] = (
    VideoRoute(
        model="3.0-omni",
        standard="3.0",
        path="/omni-video/kling-3.0-omni",
        target="omni-video/kling-3.0-omni",
        first_frame="optional",
        last_frame=True,
        references=True,
        prompt_characters=3072,
        seconds=range(3, 16),
        resolutions=("720p", "1080p", "4k"),
        aspect_ratios=_RATIOS,
        audio=("off", "native", "original"),
        cuts=True,
    ),
    VideoRoute(
        model="o1",
        standard="3.0",
        path="/omni-video/kling-o1",
        target="omni-video/kling-o1",
        first_frame="optional",
        last_frame=True,
        references=True,
        prompt_characters=2500,
        seconds=range(3, 11),
        resolutions=("720p", "1080p"),
        aspect_ratios=_RATIOS,
        audio=("off", "original"),
        cuts=False,
    ),
    VideoRoute(
        model="3.0",
        standard="3.0",
        path="/text-to-video/kling-3.0",
        first_frame="none",
        prompt_characters=3072,
        seconds=range(3, 16),
        resolutions=("720p", "1080p", "4k"),
        aspect_ratios=_RATIOS,
        audio=("off", "native"),
        cuts=True,
    ),
    VideoRoute(
        model="3.0",
        standard="3.0",
        path="/image-to-video/kling-3.0",
        target="image-to-video/kling-3.0",
        first_frame="required",
        last_frame=True,
        prompt_characters=3072,
        seconds=range(3, 16),
        resolutions=("720p", "1080p", "4k"),
        audio=("off", "native"),
        cuts=True,
    ),
    VideoRoute(
        model="3.0-turbo",
        standard="3.0",
        path="/text-to-video/kling-3.0-turbo",
        first_frame="none",
        prompt_characters=3072,
        seconds=range(3, 16),
        resolutions=("720p", "1080p"),
        aspect_ratios=_RATIOS,
        cuts=True,
    ),
    VideoRoute(
        model="3.0-turbo",
        standard="3.0",
        path="/image-to-video/kling-3.0-turbo",
        first_frame="required",
        prompt_characters=2500,
        seconds=range(3, 16),
        resolutions=("720p", "1080p"),
        cuts=True,
    ),
)

# facts: old-routes, old-omni-fields, old-image2video-fields. Of image2video no source shows 4k.
_OLDER: tuple[VideoRoute, ...] = (
    VideoRoute(
        model="3.0-omni",
        standard="older",
        path="/v1/videos/omni-video",
        model_name="kling-v3-omni",
        target="omni-video/kling-v3-omni",
        first_frame="optional",
        last_frame=True,
        references=True,
        prompt_characters=2500,
        seconds=range(3, 16),
        resolutions=("720p", "1080p", "4k"),
        aspect_ratios=_RATIOS,
        audio=("off", "native", "original"),
        cuts=True,
    ),
    VideoRoute(
        model="o1",
        standard="older",
        path="/v1/videos/omni-video",
        model_name="kling-video-o1",
        target="omni-video/kling-video-o1",
        first_frame="optional",
        last_frame=True,
        references=True,
        prompt_characters=2500,
        seconds=range(3, 11),
        resolutions=("720p", "1080p"),
        aspect_ratios=_RATIOS,
        audio=("off", "original"),
        cuts=False,
    ),
    VideoRoute(
        model="3.0",
        standard="older",
        path="/v1/videos/image2video",
        model_name="kling-v3",
        target="image2video/kling-v3",
        first_frame="required",
        last_frame=True,
        prompt_characters=2500,
        seconds=range(3, 16),
        resolutions=("720p", "1080p"),
        audio=("off", "native"),
        cuts=True,
    ),
)

VIDEO_ROUTES = _NEW + _OLDER

_IMAGE_RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9")

# 4k is for 3.0 Omni alone. fact: old-images
IMAGE_ROUTES: tuple[ImageRoute, ...] = (
    ImageRoute(
        model="3.0-omni",
        path="/v1/images/omni-image",
        model_name="kling-v3-omni",
        target="omni-image/kling-v3-omni",
        pictures=10,
        resolutions=("1k", "2k", "4k"),
        aspect_ratios=(*_IMAGE_RATIOS, "auto"),
        default_ratio="auto",
    ),
    ImageRoute(
        model="o1",
        path="/v1/images/omni-image",
        model_name="kling-image-o1",
        target="omni-image/kling-image-o1",
        pictures=10,
        resolutions=("1k", "2k"),
        aspect_ratios=(*_IMAGE_RATIOS, "auto"),
        default_ratio="auto",
    ),
    ImageRoute(
        model="3.0",
        path="/v1/images/generations",
        model_name="kling-v3",
        target="images/generations/kling-v3",
        pictures=1,
        resolutions=("1k", "2k"),
        aspect_ratios=_IMAGE_RATIOS,
        default_ratio="16:9",
    ),
)
