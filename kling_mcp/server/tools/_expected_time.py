"""How long tasks usually take, for people who wait."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.tasks.kind import TaskKind

_PLURALS = {"element": "elements", "voice": "voices", "video": "videos", "image": "images"}
_IN_SECONDS_BELOW = 120.0


def expected_time(kinds: Sequence[TaskKind[Any]]) -> str:
    """`videos take about 1 to 6 minutes`, for the kind that takes longest; "" without any."""
    if not kinds:
        return ""
    slowest = max(kinds, key=lambda kind: kind.poller.usual_seconds()[1])
    low, high = slowest.poller.usual_seconds()
    unit = "seconds"
    if high >= _IN_SECONDS_BELOW:
        low, high, unit = low / 60, high / 60, "minutes"
    least, most = max(1, math.floor(low)), max(1, math.ceil(high))
    span = f"{most}" if least == most else f"{least} to {most}"
    return f"{_PLURALS[slowest.route.shown_kind]} take about {span} {unit}"
