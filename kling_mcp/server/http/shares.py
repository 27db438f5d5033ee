"""Room that callers share, so that none of them takes it all.

What is counted differs (sessions, streams, calls, bytes of requests), the rules do not:

- A caller who has proved who it is has a share of its own; all others together have one small share.
- A caller may hold as much as is still free, so the room is never quite full, and a newcomer finds a place.
- At the limit, what may give way (an idle session, a stream, half a request) makes room for its own caller's next.

Nothing here knows http or time.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

STRANGERS = b""  # the share of all who have proved nothing


class FullError(Exception):
    """There is no room for this caller now."""


@dataclass(eq=False)
class Place:
    """A part of the room, taken for the caller with this share. Extend it with what must end when it gives way."""

    share: bytes
    gives_way: bool = False
    size: int = 0


P = TypeVar("P", bound=Place)


class Room(Generic[P]):
    """So much room for everyone: `total`, of which one caller gets at most `of_one`, and strangers `of_strangers`."""

    def __init__(self, total: int, *, of_one: int, of_strangers: int) -> None:
        self._total = total
        self._of_one = of_one
        self._of_strangers = of_strangers
        self._places: dict[bytes, OrderedDict[P, None]] = {}  # of each share, least lately used first
        self._held: dict[bytes, int] = {}
        self._used = 0

    def take(self, place: P, size: int = 1) -> list[P]:
        """So much more for this place. Returns the places that have lost theirs to it.

        Raises:
            FullError: and nothing has changed.
        """
        share = place.share
        lost: list[P] = []
        missing = self._missing(share, size)
        for other in self._places.get(share, ()):
            if missing <= 0:
                break
            if other.gives_way and other is not place:
                lost.append(other)
                missing -= other.size
        if missing > 0:
            raise FullError
        for other in lost:
            self.leave(other)
        self._places.setdefault(share, OrderedDict())[place] = None
        self._grow(place, size)
        return lost

    def leave(self, place: P) -> None:
        """Give everything back; again, without harm."""
        places = self._places.get(place.share, OrderedDict())
        if place in places:
            del places[place]
            self._grow(place, -place.size)
            if not places:
                del self._places[place.share], self._held[place.share]

    def use(self, place: P, share: bytes) -> None:
        """The place was used, by the caller with this share now: a stranger may have proved itself meanwhile."""
        size = place.size
        if place in self._places.get(place.share, ()):
            self.leave(place)
            place.share = share
            self._places.setdefault(share, OrderedDict())[place] = None
            self._grow(place, size)

    def _missing(self, share: bytes, size: int) -> int:
        """How much of its own this caller must give back to take so much more; 0 or less for nothing."""
        held = self._held.get(share, 0)
        free = self._total - self._used
        limit = min(self._of_strangers, held + free) if share == STRANGERS else min(self._of_one, free)
        return min(size, held + size - limit)

    def _grow(self, place: P, size: int) -> None:
        place.size += size
        self._used += size
        self._held[place.share] = self._held.get(place.share, 0) + size
