"""The state of the simulated Kling: tasks, elements, voices, results, and each account's lists of tasks.

Plain data with look-ups. Must not render replies, check requests or read a clock.
"""

import heapq
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from itertools import islice
from typing import Generic, TypeVar

from kling_mcp.simulator.generation.ledger import Ledger
from kling_mcp.simulator.generation.order import Order
from kling_mcp.simulator.quirks import ListOrder

SUBMITTED, PROCESSING, SUCCEED, FAILED = "submitted", "processing", "succeed", "failed"
OFFICIAL = "kling"  # fact: owned-by


@dataclass(slots=True, eq=False, kw_only=True)
class Task:
    """One accepted creation; times are Unix seconds. Its status depends on the time: see `status_at`."""

    number: int
    task_id: str
    owned_by: str
    created: float
    started: float
    ended: float
    external_task_id: str = ""
    callback_url: str = ""
    failure: str = ""
    deleted_at: float | None = None
    units: Decimal = Decimal(0)

    @property
    def product(self) -> str:
        """The type of the pack that pays for it (fact: ledger-lists-elements)."""
        return "video"

    @property
    def model(self) -> str:
        """The model's name, if there is one."""
        return ""

    @property
    def slots(self) -> int:
        """How many slots it holds until it ends."""
        return 0  # fact: slots-elements-unknown

    def status_at(self, now: float) -> str:
        """The documented status at this time. fact: record-fields"""
        if now < self.started:
            return SUBMITTED
        if now < self.ended:
            return PROCESSING
        return FAILED if self.failure else SUCCEED

    def updated_at(self, now: float) -> float:
        """When its record last changed."""
        if self.deleted_at is not None:
            return self.deleted_at
        if now >= self.ended:
            return self.ended
        return self.started if now >= self.started else self.created


@dataclass(slots=True, eq=False, kw_only=True)
class VoiceTask(Task):
    """A task and the voice that it makes, in the element catalogue (fact: voice-catalogues)."""

    voice_id: str
    voice_name: str
    voice_url: str = ""


@dataclass(slots=True, eq=False, kw_only=True)
class ElementTask(Task):
    """A task and the element that it makes. Pictures and video are kept as the text that was sent."""

    element_id: str
    element_name: str
    element_description: str
    reference_type: str
    frontal_image: str = ""
    refer_images: tuple[str, ...] = ()
    video_url: str = ""
    tags: tuple[str, ...] = ()
    voice: VoiceTask | None = None


@dataclass(slots=True, eq=False, kw_only=True)
class GenerationTask(Task):
    """A task and the clip or the pictures that it makes. `route` is the name of the route that made it."""

    route: str
    order: Order

    @property
    def product(self) -> str:
        """Facts: ledger-package."""
        return self.order.product

    @property
    def model(self) -> str:
        """As the request named it."""
        return self.order.model

    @property
    def slots(self) -> int:
        """Fact: gen-slots."""
        return self.order.slots


Made = ElementTask | VoiceTask
AnyTask = Made | GenerationTask
M = TypeVar("M", ElementTask, VoiceTask)
T = TypeVar("T", bound=Task)


class TaskList(Generic[T]):
    """Tasks in a maintained order, never sorted again: a page costs only its own rows."""

    def __init__(self, rng: random.Random, tasks: Iterable[T] = ()) -> None:
        self._rng = rng
        self._by_age: list[T] = list(tasks)
        self._shuffled: list[T] = []

    def __iter__(self) -> Iterator[T]:
        return iter(self._by_age)

    def append(self, task: T) -> None:
        """Add the newest task."""
        self._by_age.append(task)

    def page(self, order: ListOrder, page_num: int, page_size: int) -> list[T]:
        """Tasks of one page, 1-based; empty past the end (fact: list-no-total)."""
        start = (page_num - 1) * page_size
        if order == "newest-first":
            end = len(self._by_age) - start
            return self._by_age[max(end - page_size, 0) : max(end, 0)][::-1]
        row = self._shuffle() if order == "shuffled" else self._by_age
        return row[start : start + page_size]

    def walk(self, order: ListOrder) -> Iterator[T]:
        """All tasks in the order that the list shows."""
        if order == "newest-first":
            return reversed(self._by_age)
        return iter(self._shuffle() if order == "shuffled" else self._by_age)

    def _shuffle(self) -> list[T]:
        # Inside-out Fisher-Yates: new tasks swap into the existing order, so it is never rebuilt.
        for task in islice(self._by_age, len(self._shuffled), None):
            place = self._rng.randint(0, len(self._shuffled))
            self._shuffled.append(task)
            self._shuffled[place], self._shuffled[-1] = task, self._shuffled[place]
        return self._shuffled


@dataclass(slots=True, eq=False)
class Account:
    """One customer's library, invisible to other accounts."""

    name: str
    rng: random.Random
    ledger: Ledger
    element_tasks: TaskList[ElementTask] = field(init=False)
    voice_tasks: TaskList[VoiceTask] = field(init=False)
    generation_tasks: dict[str, TaskList[GenerationTask]] = field(default_factory=dict)
    owner_id: str = ""
    tasks: dict[str, AnyTask] = field(default_factory=dict)
    by_external_id: dict[str, AnyTask] = field(default_factory=dict)
    elements: dict[str, ElementTask] = field(default_factory=dict)
    voices: dict[str, VoiceTask] = field(default_factory=dict)
    creations: Counter[str] = field(default_factory=Counter)
    costs_read_at: float = 0.0
    _ends: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Give the account the creator's id that `owned_by` shows. fact: owned-by"""
        self.element_tasks, self.voice_tasks = TaskList(self.rng), TaskList(self.rng)
        self.owner_id = str(int(sha256(self.name.encode()).hexdigest()[:8], 16) + 10_000_000)

    def keep_element(self, task: ElementTask) -> None:
        """File a new element task under all its ids."""
        self.elements[task.element_id] = task
        self.element_tasks.append(task)
        self._file(task)

    def keep_voice(self, task: VoiceTask) -> None:
        """File a new voice task under all its ids."""
        self.voices[task.voice_id] = task
        self.voice_tasks.append(task)
        self._file(task)

    def keep_generation(self, task: GenerationTask) -> None:
        """File a new generation under all its ids, and in the list of its route."""
        self.generation_list(task.route).append(task)
        self._file(task)

    def generation_list(self, route: str) -> TaskList[GenerationTask]:
        """What one route made."""
        return self.generation_tasks.setdefault(route, TaskList(self.rng))

    def accept(self, task: AnyTask) -> None:
        """Count a creation, and expect its bill when its task ends (fact: gen-billed-at-end)."""
        self.creations[task.external_task_id] += 1
        self.ledger.expect(task)
        if isinstance(task, ElementTask):  # only a fault lets them take slots (fact: slots-elements-unknown)
            heapq.heappush(self._ends, task.ended)

    def running(self, now: float) -> int:
        """Slots of element creations and generations whose tasks have not ended (fact: slots)."""
        while self._ends and self._ends[0] <= now:
            heapq.heappop(self._ends)
        return len(self._ends) + self.ledger.slots_taken(now)

    def summary(self, now: float) -> dict[str, object]:
        """Counts for people and tests."""
        tasks = Counter(task.status_at(now) for task in self.element_tasks)
        generations = Counter(task.status_at(now) for made in self.generation_tasks.values() for task in made)
        deleted = sum(task.deleted_at is not None for task in self.elements.values())
        return {
            "tasks": dict(tasks),
            "elements": {"ready": tasks[SUCCEED] - deleted, "deleted": deleted},
            "voices": len(self.voices),
            "generations": dict(generations),
            "units": {product: str(units) for product, units in self.ledger.spent(now).items()},
            "creations": dict(self.creations),
        }

    def _file(self, task: AnyTask) -> None:
        self.tasks[task.task_id] = task
        if task.external_task_id:
            self.by_external_id[task.external_task_id] = task
