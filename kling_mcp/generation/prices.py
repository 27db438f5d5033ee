"""What a generation costs: Kling's price table as data, and estimates from it. Pure.

Units are what Kling deducts from a pack; dollars are the list price of those units, and packs may be cheaper (fact:
price-rule). An estimate is a range where the table does not decide, with the reason in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from kling_mcp.generation.models import Audio, ImageModel, ImageResolution, VideoResolution

Product = Literal["video", "image"]

TABLE_DATE = "2026-09-20"  # fact: price-table
# A unit at list price. fact: price-rule
UNIT_DOLLARS: dict[Product, Decimal] = {"video": Decimal("0.14"), "image": Decimal("0.0035")}

_Rates = dict[str, Decimal]


def _rates(p720: str, p1080: str, p4k: str = "") -> _Rates:
    """Units a second by resolution."""
    rates = {"720p": Decimal(p720), "1080p": Decimal(p1080)}
    return rates | ({"4k": Decimal(p4k)} if p4k else {})


# Units a second. fact: price-table
_TURBO = _rates("0.8", "1.0")
_SILENT = _rates("0.6", "0.8", "3")
_OMNI_AUDIO = _rates("0.8", "1.0", "3")
_AUDIO = _rates("0.9", "1.2", "3")
_AUDIO_AND_VOICE = _rates("1.1", "1.4", "3")
_WITH_VIDEO = _rates("0.9", "1.2", "3")
_IMAGE_UNITS, _IMAGE_UNITS_4K = Decimal(8), Decimal(16)
_VOICE_UNITS = Decimal("0.05")


@dataclass(frozen=True, slots=True)
class Estimate:
    """Units of one product type, from `low` to `high`; equal where the table decides.

    `reason` says how the figure comes about, and `doubt` why it is a range, or is "". Where the price is not known,
    `low` and `high` are 0 and mean nothing.
    """

    product: Product
    low: Decimal
    high: Decimal
    reason: str
    doubt: str = ""
    is_known: bool = True

    @property
    def is_exact(self) -> bool:
        """Whether the table decides."""
        return self.is_known and self.low == self.high

    @property
    def units(self) -> str:
        """The figures alone: `3`, `3 to 4.5`, or `unknown`."""
        if not self.is_known:
            return "unknown"
        return _plain(self.high) if self.is_exact else f"{_plain(self.low)} to {_plain(self.high)}"

    def __str__(self) -> str:
        if not self.is_known:
            return f"an unknown number of {self.product} units: {self.reason}"
        rate = UNIT_DOLLARS[self.product]
        dollars = f"${_cents(self.low * rate)}" + ("" if self.is_exact else f" to ${_cents(self.high * rate)}")
        said = f"{self.units} {self.product} units ({dollars} at list price of {TABLE_DATE}): {self.reason}"
        return f"{said}; {self.doubt}" if self.doubt else said


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoCost:
    """What decides the price of a video.

    Attributes:
        seconds: the least and the most that will be billed; they differ where a base video decides.
        has_video: a reference or base video is sent.
        has_video_element: an element made from a video is sent.
        has_voice: an element with a voice is sent.
    """

    model: str
    resolution: VideoResolution
    audio: Audio
    seconds: tuple[int, int]
    has_video: bool = False
    has_video_element: bool = False
    has_voice: bool = False


def estimate_video(cost: VideoCost) -> Estimate:
    """The price of one video. facts: price-table, price-rule, price-video-element, gen-billed-request"""
    (low_rates, high_rates), said, doubts = _video_rates(cost)
    low_rate, high_rate = low_rates[cost.resolution], high_rates[cost.resolution]
    shortest, longest = cost.seconds
    if shortest != longest:
        doubts.append(f"the base video decides how many seconds are billed, {shortest} to {longest}")
    if low_rate == high_rate:
        doubts = doubts if shortest != longest else []
    seconds = f"{shortest} s" if shortest == longest else f"{shortest} to {longest} s"
    rate = _plain(low_rate) if low_rate == high_rate else f"{_plain(low_rate)} to {_plain(high_rate)}"
    reason = f"{seconds} at {rate} units a second, {cost.model} in {cost.resolution} {said}"
    return Estimate("video", low_rate * shortest, high_rate * longest, reason, " and ".join(doubts))


def estimate_unlisted(cost: VideoCost, most_units_a_second: Decimal | None) -> Estimate:
    """The price of a video by a model that the table does not list: what the operator says, or unknown."""
    if most_units_a_second is None:
        reason = f"model {cost.model} is not in the price list of {TABLE_DATE}, and this server's settings give none"
        return Estimate("video", Decimal(0), Decimal(0), reason, is_known=False)
    shortest, longest = cost.seconds
    rate = most_units_a_second
    reason = f"at no more than {_plain(rate)} units a second, as this server's settings say of {cost.model}"
    if shortest == longest:
        return Estimate("video", rate * shortest, rate * longest, f"{shortest} s {reason}")
    doubt = f"the base video decides how many seconds are billed, {shortest} to {longest}"
    return Estimate("video", rate * shortest, rate * longest, f"{shortest} to {longest} s {reason}", doubt)


def estimate_images(model: ImageModel, resolution: ImageResolution, count: int) -> Estimate:
    """The price of `count` pictures. facts: price-table, price-rule"""
    each = _IMAGE_UNITS_4K if resolution == "4k" else _IMAGE_UNITS
    pictures = "1 picture" if count == 1 else f"{count} pictures"
    reason = f"{pictures} at {_plain(each)} units, {model} in {resolution}"
    return Estimate("image", each * count, each * count, reason)


def estimate_voice() -> Estimate:
    """The price of one voice. fact: voice-cost"""
    return Estimate("video", _VOICE_UNITS, _VOICE_UNITS, "1 voice")


def _video_rates(cost: VideoCost) -> tuple[tuple[_Rates, _Rates], str, list[str]]:
    """The rates that may apply, lowest first, in words, and why there are two."""
    if cost.model == "3.0-turbo":
        return (_TURBO, _TURBO), "with sound", []
    if cost.has_video:
        return (_WITH_VIDEO, _WITH_VIDEO), "with video input", []
    native = cost.audio == "native"
    said = "with native audio" if native else "without sound"
    if cost.model == "3.0":
        if native and cost.has_voice:
            doubt = "an older price list asks more for a bound voice"
            return (_AUDIO, _AUDIO_AND_VOICE), said, [doubt]
        return ((_AUDIO, _AUDIO) if native else (_SILENT, _SILENT)), said, []
    base = _OMNI_AUDIO if native else _SILENT
    if cost.has_video_element:
        return (base, _WITH_VIDEO), said, ["Kling does not say whether an element made from a video counts as video"]
    return (base, base), said, []


def _plain(number: Decimal) -> str:
    """Without trailing zeros and exponent."""
    return f"{number.normalize():f}"


def _cents(dollars: Decimal) -> str:
    """To the tenth of a cent below a dollar if there is one, otherwise to the cent."""
    exact = f"{dollars:.3f}"
    return f"{dollars:.2f}" if dollars >= 1 or exact.endswith("0") else exact
