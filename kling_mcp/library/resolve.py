"""An exact name or any id, and the one record that it means. It never guesses and never picks a substitute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.errors import AmbiguousNameError, NotFoundError
from kling_mcp.sanitize import clean, quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.library.records import LibraryElement

MatchedBy = Literal["element_id", "task_id", "external_task_id", "element_name"]
_SHOWN = 60


class Resolver(Protocol):
    """What `use_elements` needs of a library; `Account.library` is one."""

    async def resolve(self, name_or_id: str) -> LibraryElement:
        """The one record with this exact name, element id, task id or external task id.

        An id wins over a name. Of several records of one name a single ready one is meant; where none is ready,
        a single one of another status is returned, so look at `status` before using it.

        Raises:
            NotFoundError: nothing carries it, also after reading the library again; `candidates` are near names.
            AmbiguousNameError: several ready elements carry the name; `candidates` say which.
        """
        ...


@dataclass(frozen=True, slots=True)
class ResolvedElement:
    """A record, and what of it was named."""

    element: LibraryElement
    matched_by: MatchedBy


def choose_by_id(any_id: str, records: Sequence[LibraryElement]) -> ResolvedElement | None:
    """The record with this id: first as an element's, then as a task's, then as the caller's own.

    Raises:
        AmbiguousNameError: a task, or the caller's id of one, stands for several elements.
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
        AmbiguousNameError: several ready ones carry it, or none is ready and several are on their way.
    """
    return ResolvedElement(_choose(name, records), "element_name") if records else None


def _choose(named: str, records: Sequence[LibraryElement]) -> LibraryElement:
    """A ready one, else one on its way, else the newest of those that are no more."""
    for status in ("ready", "pending"):
        found = [record for record in records if record.status == status]
        if len(found) > 1:
            raise ambiguous(named, found)
        if found:
            return found[0]
    return records[0]


def ambiguous(named: str, records: Sequence[LibraryElement]) -> AmbiguousNameError:
    """The error that tells the candidates apart."""
    candidates = [describe_candidate(record) for record in records]
    lines = "\n".join(f"- {candidate}" for candidate in candidates[:10])
    more = f"\n(and {len(candidates) - 10} more)" if len(candidates) > 10 else ""
    return AmbiguousNameError(
        f"{quote(named, _SHOWN)} can mean {len(records)} elements:\n{lines}{more}",
        candidates=candidates,
        advice="Give the id of the one that is meant.",
    )


def describe_candidate(record: LibraryElement) -> str:
    """Enough of a record to tell it from others of its name."""
    facts = [
        f"element_id={record.element_id}" if record.element_id else f"task_id={clean(record.task_id, 80)}",
        record.status,
        record.created_at_ms > 0 and f"created {iso_utc(record.created_at_ms)}",
        record.source == "preset" and "official",
        record.element_description and quote(record.element_description, _SHOWN),
    ]
    return ", ".join(fact for fact in facts if fact)


def not_found(named: str, near: Sequence[LibraryElement], *, is_complete: bool) -> NotFoundError:
    """The error that says what comes near, by name only: an id within reach would be taken for the right one."""
    names = list(dict.fromkeys(record.element_name for record in near if record.element_name))
    told = ", ".join(quote(name, _SHOWN) for name in names)
    gap = "" if is_complete else " The library could not be read in full, so it may exist all the same."
    return NotFoundError(
        f"No element of this account, and no official one, has the name or id {quote(named, _SHOWN)}.{gap}",
        candidates=[clean(name, _SHOWN) for name in names],
        advice=f"Similar names: {told}." if told else "find_elements shows what there is.",
    )
