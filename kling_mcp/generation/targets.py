"""Where elements can be used: every target of `use_elements` and which other inputs Kling allows there.

Data only: the whole matrix of docs/kling-api.md, one row per target, other inputs and kinds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TargetName = Literal[
    "omni-video/kling-v3-omni",
    "omni-video/kling-video-o1",
    "image2video/kling-v3",
    "omni-image/kling-v3-omni",
    "omni-image/kling-image-o1",
    "images/generations/kling-v3",
    "motion-control/kling-v3",
    "image-to-video/kling-3.0",
    "omni-video/kling-3.0-omni",
    "omni-video/kling-o1",
    "motion-control/kling-3.0",
]
RouteName = Literal["omni-video", "image2video", "omni-image", "images/generations", "image-to-video", "motion-control"]
Kinds = Literal["image", "video", "both"]
Standard = Literal["older", "3.0"]
# The other inputs of a request, as far as limits depend on them.
Case = Literal["any", "frames", "last_frame", "no_video", "video"]

OMNI_COUNTS = "omni-counts"
TARGET_TABLE = "element-targets"
OLDER_ROUTES = "old-routes"

# What a route alone means.
NEWEST_MODEL: dict[RouteName, TargetName] = {
    "omni-video": "omni-video/kling-3.0-omni",
    "image2video": "image2video/kling-v3",
    "omni-image": "omni-image/kling-v3-omni",
    "images/generations": "images/generations/kling-v3",
    "image-to-video": "image-to-video/kling-3.0",
    "motion-control": "motion-control/kling-3.0",
}


@dataclass(frozen=True, slots=True)
class InputLimit:
    """How many elements of some kinds fit with one set of other inputs.

    `kinds` says whether the row is about image elements alone, video elements alone or both together.
    `most` counts all elements, `most_videos` those made from a video; 0 means that Kling allows none.
    `shared` is the most that pictures and image elements may add up to; None if Kling states no such sum.
    `case` says beside which other inputs the row holds, `words` the same in other words than usual. `unstated` is the
    text for a limit that Kling does not state.
    """

    case: Case
    kinds: Kinds
    most: int
    most_videos: int
    shared: int | None
    fact: str
    unstated: str = ""
    words: str = ""

    @property
    def beside(self) -> str:
        """The other inputs in words, or "" if there is only one case."""
        return self.words or _BESIDE[self.case]


@dataclass(frozen=True, slots=True)
class Target:
    """One route and model. `model_name` is empty if the path names the model.

    `voice` says when a bound voice is heard; empty for images. `twin` is the same model in the older standard, or "".
    `notes` hold for every use of this target. `states_kinds` is False if Kling does not say which kinds of
    element fit.
    """

    name: TargetName
    standard: Standard
    path: str
    model_name: str
    limits: tuple[InputLimit, ...]
    voice: str = ""
    twin: str = ""
    notes: tuple[str, ...] = ()
    states_kinds: bool = True

    @property
    def takes_videos(self) -> bool:
        """Whether elements made from a video are allowed at all. fact: video-models"""
        return any(limit.most_videos for limit in self.limits)

    @property
    def most(self) -> int:
        """The most elements that any case allows."""
        return max(limit.most for limit in self.limits)


_BESIDE: dict[Case, str] = {
    "any": "",
    "frames": "with a first frame, or first and last frame",
    "last_frame": "with first and last frame",
    "no_video": "without a reference video",
    "video": "with a reference video",
}
_PICTURES_UNSTATED = "possible, with a number of pictures that Kling does not state"

# What fits beside other inputs in 3.0 Omni. fact: omni-counts
_OMNI = (
    InputLimit("frames", "image", most=3, most_videos=0, shared=None, fact=OMNI_COUNTS),
    InputLimit("frames", "video", most=3, most_videos=3, shared=None, fact=OMNI_COUNTS),
    InputLimit("frames", "both", most=3, most_videos=3, shared=None, fact=OMNI_COUNTS),
    InputLimit("no_video", "image", most=7, most_videos=0, shared=7, fact=OMNI_COUNTS),
    InputLimit("no_video", "video", most=3, most_videos=3, shared=None, fact=OMNI_COUNTS, unstated=_PICTURES_UNSTATED),
    InputLimit("no_video", "both", most=7, most_videos=3, shared=4, fact=OMNI_COUNTS),
    InputLimit("video", "image", most=4, most_videos=0, shared=4, fact=OMNI_COUNTS),
    InputLimit("video", "video", most=1, most_videos=1, shared=0, fact=OMNI_COUNTS),
    InputLimit("video", "both", most=0, most_videos=0, shared=0, fact=OMNI_COUNTS),
)
# O1 takes image elements alone (video-models), and none between two frames. Whether a first frame by itself is one
# of the pictures is not stated; counting it keeps the sum on the safe side.
_O1 = (
    InputLimit("last_frame", "image", most=0, most_videos=0, shared=0, fact=TARGET_TABLE),
    InputLimit(
        "no_video",
        "image",
        most=7,
        most_videos=0,
        shared=7,
        fact=TARGET_TABLE,
        words=f"{_BESIDE['no_video']} (count a first frame as a picture)",
    ),
    InputLimit("video", "image", most=4, most_videos=0, shared=4, fact=TARGET_TABLE),
)
_FROM_FRAMES = (
    InputLimit("frames", "image", most=3, most_videos=0, shared=None, fact=TARGET_TABLE),
    InputLimit("frames", "video", most=3, most_videos=3, shared=None, fact=TARGET_TABLE),
    InputLimit("frames", "both", most=3, most_videos=3, shared=None, fact=TARGET_TABLE),
)
_OMNI_IMAGE = (InputLimit("any", "image", most=10, most_videos=0, shared=10, fact=TARGET_TABLE),)
_GENERATIONS = (InputLimit("any", "image", most=10, most_videos=0, shared=10, fact=OLDER_ROUTES),)
_KINDS_UNSTATED = "Kling states no limit for them, nor which kinds of element this target takes"
# Motion Control takes one. fact: no-elements
_MOTION = (
    InputLimit("any", "image", most=1, most_videos=0, shared=None, fact="no-elements", unstated=_KINDS_UNSTATED),
    InputLimit("any", "video", most=1, most_videos=1, shared=None, fact="no-elements", unstated=_KINDS_UNSTATED),
    InputLimit("any", "both", most=0, most_videos=0, shared=None, fact="no-elements"),
)

# facts: voice-needs-audio, old-omni-fields, gen30-models (the words and their defaults)
_WITH_SOUND = 'is heard only with "sound": "on" (the default is "off")'
_WITH_AUDIO = 'is heard only with "audio": "native" in settings (the default is "off")'
_NO_SOUND_BESIDE_VIDEO = "; with a reference video it stays silent"
_MOTION_SOUND = "is heard only with native audio, and Kling does not state whether Motion Control has it"

_FIRST_FRAME = (  # fact: gen30-first-frame-required
    'A first frame is required ("first_frame" in "contents"): Kling refuses the request without one. '
    "From text and elements alone, omni-video/kling-3.0-omni makes a video."
)
_NAME_THE_MODEL = 'Set "model_name": "kling-v3"; the older default models are discontinued.'  # fact: gen-name-the-model


def _default_model(wanted: str, default: str) -> str:
    """Without model_name Kling uses another model and bills the call. facts: old-default-models, old-routes"""
    return f'Set "model_name": "{wanted}"; without it Kling uses {default}.'


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target(
            name="omni-video/kling-v3-omni",
            standard="older",
            path="/v1/videos/omni-video",
            model_name="kling-v3-omni",
            limits=_OMNI,
            voice=_WITH_SOUND + _NO_SOUND_BESIDE_VIDEO,
            notes=(_default_model("kling-v3-omni", "kling-video-o1"),),
        ),
        Target(
            name="omni-video/kling-video-o1",
            standard="older",
            path="/v1/videos/omni-video",
            model_name="kling-video-o1",
            limits=_O1,
            voice="may never be heard: the 3.0 form of this model has no native audio",
        ),
        Target(
            name="image2video/kling-v3",
            standard="older",
            path="/v1/videos/image2video",
            model_name="kling-v3",
            limits=_FROM_FRAMES,
            voice=_WITH_SOUND,
            notes=('Do not send "voice_list" together with "element_list": this route accepts only one of them.',),
        ),
        Target(
            name="omni-image/kling-v3-omni",
            standard="older",
            path="/v1/images/omni-image",
            model_name="kling-v3-omni",
            limits=_OMNI_IMAGE,
            notes=(_default_model("kling-v3-omni", "kling-image-o1"),),
        ),
        Target(
            name="omni-image/kling-image-o1",
            standard="older",
            path="/v1/images/omni-image",
            model_name="kling-image-o1",
            limits=_OMNI_IMAGE,
        ),
        Target(
            name="images/generations/kling-v3",
            standard="older",
            path="/v1/images/generations",
            model_name="kling-v3",
            limits=_GENERATIONS,
            notes=(_NAME_THE_MODEL,),
        ),
        Target(
            name="motion-control/kling-v3",
            standard="older",
            path="/v1/videos/motion-control",
            model_name="kling-v3",
            limits=_MOTION,
            voice=_MOTION_SOUND,
            notes=(_default_model("kling-v3", "kling-v2-6"),),
            states_kinds=False,
        ),
        Target(
            name="image-to-video/kling-3.0",
            standard="3.0",
            path="/image-to-video/kling-3.0",
            model_name="",
            limits=_FROM_FRAMES,
            voice=_WITH_AUDIO,
            twin="image2video/kling-v3",
            notes=(_FIRST_FRAME,),
        ),
        Target(
            name="omni-video/kling-3.0-omni",
            standard="3.0",
            path="/omni-video/kling-3.0-omni",
            model_name="",
            limits=_OMNI,
            voice=_WITH_AUDIO + _NO_SOUND_BESIDE_VIDEO,
            twin="omni-video/kling-v3-omni",
        ),
        Target(
            name="omni-video/kling-o1",
            standard="3.0",
            path="/omni-video/kling-o1",
            model_name="",
            limits=_O1,
            voice='is never heard: this model\'s "audio" is "off" or "original", never "native"',
            twin="omni-video/kling-video-o1",
        ),
        Target(
            name="motion-control/kling-3.0",
            standard="3.0",
            path="/motion-control/kling-3.0",
            model_name="",
            limits=_MOTION,
            voice=_MOTION_SOUND,
            twin="motion-control/kling-v3",
            states_kinds=False,
        ),
    )
}
