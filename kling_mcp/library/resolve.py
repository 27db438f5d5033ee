"""An exact name or any id, and the one record that it means. It never guesses and never picks a substitute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kling_mcp.library.records import LibraryElement


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
