"""Finds the one record with an exact name or any id. It never guesses and never picks a substitute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kling_mcp.api.ids import ROUNDED, is_rounded
from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.errors import AmbiguousNameError, NotFoundError
from kling_mcp.sanitize import clean, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.library.records import LibraryElement

MatchedBy = Literal["element_id", "task_id", "external_task_id", "element_name"]
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class ResolvedElement:
    """A record, and what matched."""

    element: LibraryElement
    matched_by: MatchedBy


def choose_by_id(any_id: str, records: Sequence[LibraryElement]) -> ResolvedElement | None:
    """The record with this element id, task id or external task id, in that order.

    Raises:
        AmbiguousNameError: the task has several elements.
    """
    kinds: tuple[MatchedBy, ...] = ("element_id", "task_id", "external_task_id")
    for kind in kinds:
        found = [record for record in records if getattr(record, kind) == any_id]
        if found:
            return ResolvedElement(_choose(any_id, found), kind)
    return None


def choose_by_name(name: str, records: Sequence[LibraryElement]) -> ResolvedElement | None:
    """The record with this name.

    Raises:
        AmbiguousNameError: several ready ones have it, or none is ready and several are pending.
    """
    return ResolvedElement(_choose(name, records), "element_name") if records else None


def _choose(named: str, records: Sequence[LibraryElement]) -> LibraryElement:
    """A ready one, otherwise a pending one, otherwise the newest of the rest. Both lists may show the same element."""
    for status in ("ready", "pending"):
        found = {record.element_id or record.task_id: record for record in records if record.status == status}
        if len(found) > 1:
            raise ambiguous(named, list(found.values()))
        if found:
            return next(iter(found.values()))
    return records[0]


def ambiguous(named: str, records: Sequence[LibraryElement]) -> AmbiguousNameError:
    """The error that lists the candidates."""
    candidates = [describe_candidate(record) for record in records]
    lines = "\n".join(f"- {candidate}" for candidate in candidates[:10])
    more = f"\n(and {len(candidates) - 10} more)" if len(candidates) > 10 else ""
    return AmbiguousNameError(
        f"{quote(named, _SHOWN)} matches {len(records)} elements:\n{lines}{more}",
        candidates=candidates,
        named=named,
        advice="Give the id of the one you mean; if you cannot tell, ask the person.",
    )


def describe_candidate(record: LibraryElement) -> str:
    """Enough facts to distinguish a record from others with its name."""
    facts = [
        f"element_id={record.element_id}" if record.element_id else f"task_id={clean(record.task_id, 80)}",
        record.status,
        record.created_at_ms > 0 and f"created {iso_utc(record.created_at_ms)}",
        record.source == "preset" and "official",
        record.element_description and quote(record.element_description, _SHOWN),
    ]
    return ", ".join(fact for fact in facts if fact)


def not_found(named: str, near: Sequence[LibraryElement], *, is_complete: bool) -> NotFoundError:
    """The error with similar names, but no ids: a model would use any id it sees here."""
    names = list(dict.fromkeys(record.element_name for record in near if record.element_name))
    told = ", ".join(quote(name, _SHOWN) for name in names)
    gap = "" if is_complete else " The library could not be read in full, so it may still exist."
    advice = f"Similar names: {told}." if told else "find_elements shows what exists."
    return NotFoundError(
        f"No element of this account, and no official one, has the name or id {quote(named, _SHOWN)}.{gap}",
        candidates=[clean(name, _SHOWN) for name in names],
        advice=ROUNDED if is_rounded(named) else advice,
    )
