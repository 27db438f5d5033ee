"""An account's packs, what still runs on them, and what was deducted.

Units are taken when a task completes (fact: gen-billed-at-end). Must not know replies.
"""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol


class Billed(Protocol):
    """A task as a bill sees it; `units` are those of its success."""

    number: int
    task_id: str
    created: float
    ended: float
    failure: str
    units: Decimal

    @property
    def product(self) -> str:
        """The type of the pack that pays."""

    @property
    def model(self) -> str:
        """The model's name, or "" for elements and voices."""

    @property
    def slots(self) -> int:
        """Slots that it holds until it ends."""


@dataclass(slots=True, eq=False)
class Pack:
    """A pack of units of one product type: its name tells how many slots it gives (facts: costs-pack, gen-slots)."""

    product_type: Literal["video", "image"]
    units: Decimal | int = 1_000_000
    concurrency: int = 20
    name: str = ""
    pack_id: str = ""
    remaining: Decimal = field(init=False)

    def __post_init__(self) -> None:
        """Fill in the name and the id that follow from the rest."""
        self.remaining = Decimal(self.units)
        kind = self.product_type
        self.name = self.name or f"Simulated-{kind.title()}-{self.units}Units-{self.concurrency}Con-365Days"
        self.pack_id = self.pack_id or f"509f3fd3d4f644e6b6ec0c0f6fd2a5{'e1' if kind == 'video' else 'e2'}"

    def copy(self) -> "Pack":
        """The same pack, unused."""
        return Pack(self.product_type, self.units, self.concurrency, self.name, self.pack_id)


@dataclass(frozen=True, slots=True)
class Deduction:
    """One row of the ledger; `time` in Unix seconds."""

    task: Billed
    pack: Pack
    time: float
    before: Decimal
    units: Decimal

    @property
    def after(self) -> Decimal:
        """What was left."""
        return self.before - self.units


class Ledger:
    """One account's. `bill_failed` says whether failed tasks cost (fact: price-failed-unknown)."""

    def __init__(self, packs: Iterable[Pack], bill_failed: Callable[[], bool]) -> None:
        self.packs = [pack.copy() for pack in packs]
        self.rows: list[Deduction] = []
        self._bill_failed = bill_failed
        self._running: list[tuple[float, int, Billed]] = []

    def expect(self, task: Billed) -> None:
        """Bill this task when it ends."""
        heapq.heappush(self._running, (task.ended, task.number, task))

    def settle(self, now: float) -> None:
        """Bill what has ended, in that order."""
        while self._running and self._running[0][0] <= now:
            _, _, task = heapq.heappop(self._running)
            self._deduct(task)

    def affords(self, product: str, units: Decimal, now: float) -> bool:
        """Whether packs of this type can pay, beside what still runs.

        Facts: msg-no-pack, price-rule. Nothing says what Kling does if running tasks need more than there is: this
        is the strict reading.
        """
        self.settle(now)
        packs = [pack.remaining for pack in self.packs if pack.product_type == product]
        reserved = sum((task.units for _, _, task in self._running if task.product == product), Decimal(0))
        return bool(packs) and sum(packs, Decimal(0)) - reserved >= units

    def slots(self, product: str) -> int:
        """The ceiling: the highest of the packs (fact: slots-size)."""
        return max((pack.concurrency for pack in self.packs if pack.product_type == product), default=0)

    def slots_taken(self, now: float, model: str = "") -> int:
        """Slots of tasks that still run, of one model or of all (fact: slots)."""
        self.settle(now)
        return sum(task.slots for _, _, task in self._running if model in {"", task.model})

    def spent(self, now: float) -> dict[str, Decimal]:
        """Units by type of product."""
        self.settle(now)
        total: dict[str, Decimal] = {}
        for row in self.rows:
            kind = row.pack.product_type
            total[kind] = total.get(kind, Decimal(0)) + row.units
        return total

    def _deduct(self, task: Billed) -> None:
        units = task.units if self._bill_failed() or not task.failure else Decimal(0)
        packs = [pack for pack in self.packs if pack.product_type == task.product]
        if not packs:
            return  # an element costs nothing, and needs no pack
        pack = next((one for one in packs if one.remaining >= units), packs[-1])
        self.rows.append(Deduction(task, pack, task.ended, pack.remaining, units))
        pack.remaining -= units
