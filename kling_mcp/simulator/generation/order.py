"""What one accepted generation asks for, whichever standard it came in, with its price and its slots.

Plain data. Must not know bodies, tasks or accounts.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from kling_mcp.simulator.generation.prices import Family, picture_units, video_rate

Product = Literal["video", "image"]
Sound = Literal["off", "native", "original"]
# With a base video or motion control the result is as long as the video, which nothing here downloads.
REFERENCE_SECONDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A valid generation request. `seconds` are those that are billed; `ignored` is what Kling does not use."""

    product: Product
    function: str
    model: str
    family: Family
    resolution: str
    prompt: str = ""
    aspect_ratio: str = ""
    seconds: int = 0
    pictures: int = 0
    grouped: bool = False
    sound: Sound = "off"
    has_video: bool = False
    has_references: bool = False
    has_voice: bool = False
    has_video_element: bool = False
    watermark: bool = False
    callback_url: str = ""
    external_task_id: str = ""
    picture_sums: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def units(self) -> Decimal:
        """What it costs if it succeeds. facts: price-rule, gen-billed-request"""
        if self.product == "image":
            return picture_units(self.resolution) * self.pictures
        rate = video_rate(
            self.family,
            self.resolution,
            sound=self.sound == "native",
            has_video=self.has_video,
            has_voice=self.has_voice,
        )
        return rate * self.seconds

    @property
    def slots(self) -> int:
        """Fact: gen-slots."""
        return self.pictures if self.product == "image" else 1

    @property
    def kind(self) -> str:
        """What `Durations` is asked for (fact: gen-times)."""
        if self.product == "image":
            return "image"
        if self.family == "omni" and self.has_references:
            return "video_omni_references"
        return {"turbo": "video_turbo", "omni": "video_omni"}.get(self.family, "video")
