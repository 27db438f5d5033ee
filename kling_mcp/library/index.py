"""The library of one account: its own and the official elements, found by words, ids and names.

It reads from Kling through its walks, answers from its catalogue, and is told what this server creates and deletes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import anyio

from kling_mcp.errors import StorageError
from kling_mcp.library.catalogue import Census, Filters, Hits, Position
from kling_mcp.library.intake import records_of
from kling_mcp.library.resolve import Resolution, choose
from kling_mcp.library.walking import Condition, Walk

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kling_mcp.api.client import KlingClient
    from kling_mcp.api.models import ElementTask
    from kling_mcp.clock import Clock
    from kling_mcp.library.catalogue import Catalogue
    from kling_mcp.library.records import LibraryElement, Source

logger = logging.getLogger(__name__)

ALL: tuple[Source, ...] = ("custom", "preset")
NEAR_NAMES = 5
SURE_SECONDS = 5.0  # before something is said not to exist, the library is read again unless that just happened


@dataclass(frozen=True, slots=True)
class Wish:
    """What a creation from here asked for; while its task runs, Kling shows none of it (empty-while-running)."""

    element_name: str
    element_description: str
    reference_type: str
    element_voice_id: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """Results, and the condition of the lists that they come from."""

    hits: Hits
    conditions: tuple[Condition, ...]

    @property
    def is_complete(self) -> bool:
        """Whether nothing can be missing that Kling showed."""
        return all(condition.is_complete for condition in self.conditions)


class Library:
    """See the module. Every method may raise `StorageError`; those that read from Kling any `KlingError`."""

    def __init__(self, client: KlingClient, catalogue: Catalogue, clock: Clock) -> None:
        self.catalogue = catalogue
        self._clock = clock
        self._walks: dict[Source, Walk] = {
            "custom": Walk("custom", client.list_elements, catalogue, clock),
            "preset": Walk("preset", client.list_preset_elements, catalogue, clock),
        }

    async def refresh(self, sources: Iterable[Source] = ALL, *, surely: bool = False) -> tuple[Condition, ...]:
        """Bring lists up to date. `surely` reads all pages again unless that happened just now.

        Raises:
            KlingError: nothing of any of the lists could be read.
        """
        wanted = tuple(sources)
        conditions: dict[Source, Condition] = {}
        ...
