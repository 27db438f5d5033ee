"""Bad weather for the simulated Kling: a share of all requests goes wrong, each in a way that is drawn."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kling_mcp.simulator import Faults
from kling_mcp.simulator.routes import CREATES

if TYPE_CHECKING:
    from kling_mcp.simulator.fault_actions import Plan


@dataclass(frozen=True, slots=True)
class Ill:
    """One way to go wrong: the simulator's fault with its options, and how often it is drawn beside the others.

    After a `slow` one the server waits ten seconds or a minute before it sends again: the request may still be under
    way.
    """

    label: str
    weight: float
    fault: str
    options: dict[str, Any]
    slow: bool = False


def _ill(label: str, weight: float, fault: str, *, slow: bool = False, **options: Any) -> Ill:
    return Ill(label, weight, fault, options, slow)


_UNREADABLE = ("html", "empty", "truncated", "array", "no-data", "null-data", "wrong-data", "wrong-fields", "bad-utf8")
OF_CREATIONS = [
    *(
        _ill("reply lost after the commit", 8, "lose_reply_after_commit", ending=ending)
        for ending in ("closed", "reset")
    ),
    *(
        _ill("request lost before the commit", 4, "lose_reply_before_commit", slow=True, ending=ending)
        for ending in ("closed", "reset")
    ),
    _ill("silence after the commit", 0.4, "lose_reply_after_commit", slow=True, ending="hang"),
    _ill("silence before the commit", 0.2, "lose_reply_before_commit", slow=True, ending="hang"),
    *(_ill("5xx after the commit", 2, "reply_status", status=status, after_commit=True) for status in (500, 502, 503)),
    _ill("5xx after the commit", 1, "reply_status", status=504, after_commit=True),
    *(_ill("5xx before the commit", 1, "reply_status", slow=True, status=status) for status in (500, 502, 503)),
    _ill("5xx before the commit", 0.2, "reply_status", slow=True, status=504),
    *(_ill("code 500x after the commit", 1, "reply_code", code=code, after_commit=True) for code in (5000, 5001, 5002)),
    _ill("code 500x before the commit", 0.5, "reply_code", slow=True, code=5001),
    _ill("429", 2, "reply_status", status=429),
    *(_ill("1302 or 1303", 1, "reply_code", code=code) for code in (1302, 1303)),
    *(_ill("unreadable after the commit", 1, "malformed", shape=shape) for shape in _UNREADABLE),
    _ill("unreadable before the commit", 1, "malformed", slow=True, shape="html", after_commit=False),
    _ill("late", 10, "delay", seconds=1.5),
    _ill("late after the commit", 10, "delay", seconds=1.5, after_commit=True),
]
OF_LOOKS = [
    *(_ill("look: reply lost", 4, "lose_reply_after_commit", ending=ending) for ending in ("closed", "reset")),
    *(_ill("look: 5xx", 2, "reply_status", status=status) for status in (500, 502, 503)),
    _ill("look: 429", 2, "reply_status", status=429),
    *(_ill("look: code", 1, "reply_code", code=code) for code in (1302, 5000)),
    *(_ill("look: unreadable", 1, "malformed", shape=shape) for shape in _UNREADABLE),
    _ill("look: late", 4, "delay", seconds=1.0),
]
OF_FILES = [
    *(_ill("download: cut", 3, "cut_reply", after_bytes=size) for size in (0, 1, 700)),
    *(_ill("download: lost", 3, "lose_reply_after_commit", ending=ending) for ending in ("closed", "reset")),
    *(_ill("download: status", 2, "reply_status", status=status) for status in (429, 500, 502, 503)),
    _ill("download: a page instead", 3, "malformed", shape="html"),
    _ill("download: empty", 2, "malformed", shape="empty"),
    _ill("download: late", 3, "delay", seconds=1.0),
]


class Storm(Faults):
    """Faults that arm themselves. The same seed draws the same ills in the same order.

    Attributes:
        seen: requests by the name of their route.
        drawn: ills by their label.
    """

    def __init__(self, seed: int, share: float, most_slow: int) -> None:
        """`share` of the requests go wrong, and at most `most_slow` of them in a slow way."""
        super().__init__()
        self._dice = random.Random(f"storm {seed}")
        self._share = share
        self._slow_left = most_slow
        self.seen: Counter[str] = Counter()
        self.drawn: Counter[str] = Counter()

    def plan(self, route: str) -> Plan:
        """As for any faults, after one was armed for this request, or none."""
        self.seen[route] += 1
        if self._dice.random() < self._share:
            self._arm_one(route)
        return super().plan(route)

    def _arm_one(self, route: str) -> None:
        choice = OF_CREATIONS if route in CREATES else OF_FILES if route == "file" else OF_LOOKS
        if not self._slow_left:
            choice = [ill for ill in choice if not ill.slow]
        (ill,) = self._dice.choices(choice, [ill.weight for ill in choice])
        self._slow_left -= ill.slow
        self.drawn[ill.label] += 1
        self.arm(ill.fault, route=route, **ill.options)
