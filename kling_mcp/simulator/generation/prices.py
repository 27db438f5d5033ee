"""The vendor's prices in units. facts: price-table, price-rule

Numbers only. Must not know requests.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Literal

Family = Literal["turbo", "3.0", "omni", "o1", "motion", "picture"]

VOICE_UNITS = Decimal("0.05")  # fact: voice-cost


def _row(hd: str, full_hd: str, uhd: str = "") -> Mapping[str, Decimal]:
    return MappingProxyType(
        {name: Decimal(text) for name, text in (("720p", hd), ("1080p", full_hd), ("4k", uhd)) if text}
    )


_SILENT, _WITH_VIDEO = _row("0.6", "0.8", "3"), _row("0.9", "1.2", "3")
# Units a second: silent, with native audio, with a reference or base video.
_RATES: Mapping[Family, tuple[Mapping[str, Decimal], ...]] = MappingProxyType(
    {
        "turbo": (_row("0.8", "1.0"),) * 3,  # sound is always made and included
        "3.0": (_SILENT, _row("0.9", "1.2", "3"), _SILENT),
        "omni": (_SILENT, _row("0.8", "1.0", "3"), _WITH_VIDEO),
        "o1": (_row("0.6", "0.8"), _row("0.6", "0.8"), _row("0.9", "1.2")),
        "motion": (_row("0.9", "1.2"),) * 3,
    }
)
_BOUND_VOICE = _row("1.1", "1.4", "3")  # 3.0 with native audio and a bound voice


def video_rate(family: Family, resolution: str, *, sound: bool, has_video: bool, has_voice: bool) -> Decimal:
    """Units for each second that was asked for."""
    if family == "3.0" and sound and has_voice:
        return _BOUND_VOICE[resolution]
    silent, native, with_video = _RATES[family]
    return (with_video if has_video else native if sound else silent)[resolution]


def picture_units(resolution: str) -> Decimal:
    """Units for each picture."""
    return Decimal(16 if resolution == "4k" else 8)
