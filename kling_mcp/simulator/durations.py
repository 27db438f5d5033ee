"""How long tasks take. Must not know tasks."""

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType

Durations = Callable[[str, random.Random], float]

_SECONDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "image_refer": (5.0, 5.0),
        "video_refer": (20, 20),
        "voice": (9, 15),
        "image": (24, 32),
        "video": (30, 320),
        "video_turbo": (28, 28),
        "video_omni": (83, 83),
        "video_omni_references": (300, 900),
    }
)


def default_durations(kind: str, rng: random.Random) -> float:
    """Seconds that a task takes; `kind` is `image_refer`, `video_refer`, `voice`, `image`, `video`, `video_turbo`,
    `video_omni` or `video_omni_references`.

    Facts: time-image (5 s), time-voice (9 to 15 s), gen-times. No figure exists for video elements.
    """
    least, most = _SECONDS[kind]
    return least if least == most else rng.uniform(least, most)  # a draw would change what comes after it


def brisk_durations(kind: str, rng: random.Random) -> float:
    """The same, except that clips take 12 seconds instead of minutes, for a person who looks on."""
    is_clip = kind.startswith("video") and kind != "video_refer"
    return 12.0 if is_clip else default_durations(kind, rng)
