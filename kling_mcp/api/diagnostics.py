"""Checks credentials, region, clock and network with one cheap read, and reports in plain sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_mcp.api.auth import clock_skew
from kling_mcp.errors import KlingError

if TYPE_CHECKING:
    from kling_mcp.api.client import KlingClient
    from kling_mcp.concurrency.clock import Clock

PAGE_SIZE = 30
WORRYING_SKEW_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class SetupReport:
    """What was found. `elements` counts the ready ones on the first page; `is_full` says there may be more."""

    clock_skew_seconds: float
    elements: int
    is_full: bool
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether a creation would get through, as far as a read can tell."""
        return not self.problems


async def check(client: KlingClient, clock: Clock) -> SetupReport:
    """Read one page of the account's list and report. Never raises, whatever Kling answers."""
    problems: list[str] = []
    elements, is_full = 0, False
    try:
        tasks = await client.list_elements(1, PAGE_SIZE)
    except KlingError as error:
        # Host and kind of credential are needed to judge it. fact: region-no-fallback
        problems.append(error.for_setup(f"({client.credential_kind} at {client.sender.base_url})"))
    else:
        elements = sum(not element.is_deleted for task in tasks for element in task.elements)
        is_full = len(tasks) >= PAGE_SIZE
    skew = clock_skew(client.sender.last_date, clock.wall()) if client.sender.last_date else None
    if skew is not None and abs(skew) > WORRYING_SKEW_SECONDS:
        way = "behind" if skew > 0 else "ahead of"
        problems.append(
            f"This computer's clock is {abs(skew):.0f} seconds {way} Kling's; set it to automatic time. "
            "kling-mcp corrects its signed tokens for this; other programs may not."
        )
    return SetupReport(round(skew or 0.0, 1), elements, is_full, tuple(problems))
