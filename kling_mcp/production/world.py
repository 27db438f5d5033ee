"""What is there, as far as a sheet's plan depends on it: plain data that `survey` gathers and `decide` judges."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_mcp.elements.draft import ElementDraft
    from kling_mcp.generation.draft import VideoDraft
    from kling_mcp.generation.prices import Estimate
    from kling_mcp.library.records import LibraryElement
    from kling_mcp.production.content import Parts


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierCreation:
    """A creation from the very same material. `element_id` is "" while it runs."""

    external_task_id: str
    task_id: str = ""
    element_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CastFacts:
    """What is known of one entry of the cast.

    Attributes:
        draft: what to send; None if there is nothing to make it from.
        made_from: see `content`; empty without a draft.
        problems: why it cannot be made, a sentence each.
        locked: the library's record of the lock's element; None if there is none.
        adopted: the same of the element that the sheet names by id.
        namesakes: ready elements that could be meant by its name.
    """

    draft: ElementDraft | None = None
    made_from: Parts = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    earlier: EarlierCreation | None = None
    locked: LibraryElement | None = None
    adopted: LibraryElement | None = None
    namesakes: tuple[LibraryElement, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotFacts:
    """What is known of one shot.

    Attributes:
        draft: with the ids of its elements in place of names; with names while one does not exist.
        elements: the elements that it shows: their ids by name, "" for one that does not exist yet.
        lost: names in its texts that nothing has.
        made_from: of each take, from 1.
        estimate: of one take; None if it cannot be made.
        paid: the takes that were sent before, so that rendering them costs nothing more.
        made: those of them that are finished.
        notes: what a person should know before paying.
    """

    draft: VideoDraft
    elements: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    lost: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    made_from: Mapping[int, Parts] = field(default_factory=lambda: MappingProxyType({}))
    estimate: Estimate | None = None
    paid: frozenset[int] = frozenset()
    made: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that a plan depends on besides the sheet and its lock.

    Attributes:
        has_read_all: whether the library could be read in full, so that what it lacks does not exist.
        kept: ids of elements that were replaced earlier and still exist.
        in_library: for each name that must exist: whether a ready element has it.
    """

    cast: Mapping[str, CastFacts]
    shots: Mapping[str, ShotFacts]
    has_read_all: bool = True
    kept: frozenset[str] = frozenset()
    in_library: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))
