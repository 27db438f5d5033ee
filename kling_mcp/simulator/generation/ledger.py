"""An account's packs, what still runs on them, and what was deducted.

Units are taken when a task completes (fact: gen-billed-at-end). Must not know replies.
"""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, Protocol

_UNIT_DOLLARS = {"video": Decimal("0.14"), "image": Decimal("0.0035")}  # fact: price-rule
_CASH_SLOTS = 20  # no fact tells


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
    """A pack of units of one product type, which ends `days` after it was `bought` (Unix seconds).

    Its name tells how many slots it gives. `World(packs=…)` buys it for every account when the account is opened; for
    an account that is open already, `copy(world.clock())` is the pack, bought now. facts: costs-pack, gen-slots
    """

    product_type: Literal["video", "image"]
    units: Decimal | int = 1_000_000
    concurrency: int = 20
    name: str = ""
    pack_id: str = ""
    days: int = 365
    bought: float = 0.0
    remaining: Decimal = field(init=False)

    def __post_init__(self) -> None:
        """Fill in the name and the id that follow from the rest."""
        self.remaining = Decimal(self.units)
        kind = self.product_type
        self.name = self.name or f"Simulated-{kind.title()}-{self.units}Units-{self.concurrency}Con-{self.days}Days"
        self.pack_id = self.pack_id or f"509f3fd3d4f644e6b6ec0c0f6fd2a5{'e1' if kind == 'video' else 'e2'}"

    @property
    def ends(self) -> float:
        """When what is left of it is lost."""
        return self.bought + self.days * 86_400

    def status_at(self, now: float) -> str:
        """Kling's word."""
        if now >= self.ends:
            return "expired"
        return "online" if self.remaining > 0 else "runOut"

    def copy(self, bought: float) -> "Pack":
        """The same pack, unused, bought then."""
        return Pack(self.product_type, self.units, self.concurrency, self.name, self.pack_id, self.days, bought)


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


@dataclass(frozen=True, slots=True)
class Payment:
    """One row of the ledger of an account that pays with money; dollars."""

    task: Billed
    time: float
    before: Decimal
    amount: Decimal


class Ledger:
    """One account's. `bill_failed` says whether failed tasks cost (fact: price-failed-unknown).

    `cash` are dollars that pay, at list price, where there is no pack of the type; None for an account without.
    """

    def __init__(
        self,
        packs: Iterable[Pack],
        bill_failed: Callable[[], bool],
        *,
        opened: float = 0.0,
        cash: Decimal | int | None = None,
    ) -> None:
        self.packs = [pack.copy(opened) for pack in packs]
        self.cash = None if cash is None else Decimal(cash)
        self.rows: list[Deduction] = []
        self.payments: list[Payment] = []
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
        packs = [pack.remaining for pack in self.packs if pack.product_type == product and now < pack.ends]
        running = [task for _, _, task in self._running]
        if not packs and self.cash is not None:
            return self.cash - sum(_dollars(task.product, task.units) for task in running) >= _dollars(product, units)
        reserved = sum((task.units for task in running if task.product == product), Decimal(0))
        return bool(packs) and sum(packs, Decimal(0)) - reserved >= units

    def slots(self, product: str) -> int:
        """The ceiling: the highest of the packs (fact: slots-size)."""
        without = 0 if self.cash is None else _CASH_SLOTS
        return max((pack.concurrency for pack in self.packs if pack.product_type == product), default=without)

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
        packs = [pack for pack in self.packs if pack.product_type == task.product and task.ended < pack.ends]
        if packs:
            pack = next((one for one in packs if one.remaining >= units), packs[-1])
            self.rows.append(Deduction(task, pack, task.ended, pack.remaining, units))
            pack.remaining -= units
        elif self.cash is not None:
            amount = _dollars(task.product, units)
            self.payments.append(Payment(task, task.ended, self.cash, amount))
            self.cash -= amount
        # Otherwise it was an element, which costs nothing and needs no pack.


def _dollars(product: str, units: Decimal) -> Decimal:
    return units * _UNIT_DOLLARS[product]
