"""Records of the library, told apart by a number, which is also the second in which they were created."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kling_mcp.library.records import LibraryElement

if TYPE_CHECKING:
    from kling_mcp.library.catalogue import SearchPage


def element(number: int, name: str, *, description: str = "", **fields: Any) -> LibraryElement:
    """An element of the task `t<number>`, with the id 1000 + number."""
    return LibraryElement(
        **{
            "source": "custom",
            "element_id": str(1000 + number),
            "element_name": name,
            "element_description": description,
            "task_id": f"t{number}",
            "created_at_ms": 1000 * number,
            **fields,
        }
    )


def task(number: int, **fields: Any) -> LibraryElement:
    """The task of that element while it runs."""
    return LibraryElement(
        **{"source": "custom", "status": "pending", "task_id": f"t{number}", "created_at_ms": 1000 * number, **fields}
    )


def names(hits: SearchPage) -> list[str]:
    """The names of a page."""
    return [found.element_name for found in hits.elements]
