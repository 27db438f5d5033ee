"""Records of the library, told apart by a number: element 1 is the oldest."""

from __future__ import annotations

from typing import Any

from kling_mcp.library.catalogue import Filters
from kling_mcp.library.records import LibraryElement
from kling_mcp.library.sqlite.catalogue import SqliteCatalogue

EVERYTHING = Filters()
BEGAN = 1_790_000_000_000


def element(number: int, name: str, description: str = "", **known: Any) -> LibraryElement:
    """Element 1 is the oldest."""
    values: dict[str, Any] = {
        "element_name": name,
        "element_description": description,
        "source": "custom",
        "element_id": f"3000{number:03}",
        "task_id": f"8800{number:03}",
        "created_at_ms": BEGAN + number * 1000,
        **known,
    }
    return LibraryElement(**values)


def running(number: int, **known: Any) -> LibraryElement:
    """A task without an element."""
    return element(number, "", **{"element_id": "", "status": "pending", **known})


async def names(catalogue: SqliteCatalogue, text: str, filters: Filters = EVERYTHING) -> list[str]:
    """The names that a search finds, in order; the total must agree."""
    hits = await catalogue.search(text, filters, 50)
    assert hits.total == len(hits.elements)
    return [found.element_name for found in hits.elements]
