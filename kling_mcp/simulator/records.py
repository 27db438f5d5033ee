"""The state of the simulated Kling: tasks, elements, voices, and each account's lists of tasks.

Plain data with look-ups. Must not render replies, check requests or read a clock.
"""

import heapq
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice

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


AnyTask = ElementTask | VoiceTask


class TaskList:
    """Tasks in a maintained order, never sorted again: a page costs only its own rows."""

    def __init__(self, rng: random.Random, tasks: Iterable[AnyTask] = ()) -> None:
        self._rng = rng
        self._by_age: list[AnyTask] = list(tasks)
        self._shuffled: list[AnyTask] = []

    def __iter__(self) -> Iterator[AnyTask]:
        return iter(self._by_age)

    def append(self, task: AnyTask) -> None:
        """Add the newest task."""
        self._by_age.append(task)

    def page(self, order: ListOrder, page_num: int, page_size: int) -> list[AnyTask]:
        """Tasks of one page, 1-based; empty past the end (fact: list-no-total)."""
        start = (page_num - 1) * page_size
        if order == "newest-first":
            end = len(self._by_age) - start
            return self._by_age[max(end - page_size, 0) : max(end, 0)][::-1]
        row = self._shuffle() if order == "shuffled" else self._by_age
        return row[start : start + page_size]

    def walk(self, order: ListOrder) -> Iterator[AnyTask]:
        """All tasks in the order that the list shows."""
        if order == "newest-first":
            return reversed(self._by_age)
        return iter(self._shuffle() if order == "shuffled" else self._by_age)

    def _shuffle(self) -> list[AnyTask]:
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
    element_tasks: TaskList
    voice_tasks: TaskList
    owner_id: str = ""
    tasks: dict[str, AnyTask] = field(default_factory=dict)
    by_external_id: dict[str, AnyTask] = field(default_factory=dict)
    elements: dict[str, ElementTask] = field(default_factory=dict)
    voices: dict[str, VoiceTask] = field(default_factory=dict)
    creations: Counter[str] = field(default_factory=Counter)
    _ends: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Give the account the creator's id that `owned_by` shows. fact: owned-by"""
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

    def accept(self, task: ElementTask) -> None:
        """Count a creation; it takes a slot until its task ends (facts: slots, slots-elements-unknown)."""
        self.creations[task.external_task_id] += 1
        heapq.heappush(self._ends, task.ended)

    def running(self, now: float) -> int:
        """Creations whose tasks have not ended."""
        while self._ends and self._ends[0] <= now:
            heapq.heappop(self._ends)
        return len(self._ends)

    def summary(self, now: float) -> dict[str, object]:
        """Counts for people and tests."""
        tasks = Counter(task.status_at(now) for task in self.element_tasks)
        deleted = sum(task.deleted_at is not None for task in self.elements.values())
        return {
            "tasks": dict(tasks),
            "elements": {"ready": tasks[SUCCEED] - deleted, "deleted": deleted},
            "voices": len(self.voices),
            "creations": dict(self.creations),
        }

    def _file(self, task: AnyTask) -> None:
        self.tasks[task.task_id] = task
        if task.external_task_id:
            self.by_external_id[task.external_task_id] = task
