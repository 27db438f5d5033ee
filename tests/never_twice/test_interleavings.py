"""Random interleavings of everything that can happen to requests of every kind, checked after every step.

Short and always the same by default; `HYPOTHESIS_PROFILE=nightly` searches long and prints how to repeat a failure.
What must be assumed of Kling stands in `misfortunes.ASSUMED`, and only where Kling accepts a used id again.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from helpers import ACCESS_KEY, API_KEY
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from profiles import IS_NIGHTLY

from kling_mcp.errors import InputError, KlingError, NameTakenError, TaskFailedError, UnknownOutcomeError
from kling_mcp.generation.draft import ImageDraft
from kling_mcp.simulator import Quirks
from kling_mcp.simulator.records import ElementTask, VoiceTask
from kling_mcp.tasks.submit import Submission
from never_twice.driver import Call, Theatre
from never_twice.misfortunes import (
    ANY_TIME,
    ASSUMED,
    misfortunes_of_creations,
    misfortunes_of_looks,
)
from never_twice.wishes import (
    Draft,
    GenerationDraft,
    caller_id_of,
    content_of,
    content_of_task,
    draft_of,
    pictures_of,
    route_of,
    tasks_for,
    video_of,
    voice_of,
)

if TYPE_CHECKING:
    from kling_mcp.simulator.records import AnyTask

# The journal waits for the disk at every step; memory makes no difference to what is proved.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - holds a directory of our own
ELEMENTS = ("a name of its own", "a shared name", "a shared name, on purpose", "an id of its own", "a shared id")
VOICES = ("a voice", "a voice of a shared name", "a voice with an id of its own", "a voice with a shared id")
GENERATIONS = ("a video", "pictures")
KINDS = st.sampled_from(ELEMENTS + VOICES + GENERATIONS)
PLACES = st.integers(0, 1)
STEPS_OF_CLOCKS = st.sampled_from((-86_400.0, -3600.0, -20.0, 20.0, 3600.0, 86_400.0))
# Whose names must be free.
GUARDED = {"a name of its own", "a shared name", "a voice", "a voice of a shared name"}
PATIENCE = st.sampled_from((5.0, 45.0, 200.0))


@dataclass(frozen=True, slots=True)
class Asked:
    """Something that somebody asks for."""

    draft: Draft
    allow_duplicate_name: bool = True


def new_wish(kind: str, number: int) -> Asked:
    """A request that was never made before; some kinds share a name or an id with others."""
    content = f"wish {number}"
    match kind:
        case "a name of its own":
            draft: Draft = draft_of(f"Ada {number}", content)
        case "an id of its own":
            draft = draft_of("Leo", content, f"leo-{number}")
        case "a shared id":
            draft = draft_of("Zoe", content, "zoe")
        case "a voice":
            draft = voice_of(f"Ada {number}", content)
        case "a voice of a shared name":
            draft = voice_of("Mia", content)
        case "a voice with an id of its own":
            draft = voice_of("Leo", content, f"leo-{number}")
        case "a voice with a shared id":  # that of elements, too: there is one namespace
            draft = voice_of("Zoe", content, "zoe")
        case "a video":
            draft = video_of(content)
        case "pictures":
            draft = pictures_of(content)
        case _:
            draft = draft_of("Mia", content)
    return Asked(draft, allow_duplicate_name=kind not in GUARDED)


class NeverTwice(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY)
        self.theatre: Theatre | None = None
        self.asked: list[Asked] = []
        self.judged: set[int] = set()

    @initialize(
        quirks=st.builds(
            Quirks,
            list_order=st.sampled_from(("newest-first", "oldest-first", "shuffled")),
            list_running=st.booleans(),
            query_by_external_id=st.booleans(),
            refuse_used_external_id=st.booleans(),
            task_info=st.sampled_from(("full", "empty-while-running", "missing-while-running", "always-empty")),
        ),
        processes_live=st.booleans(),
        computers=st.integers(1, 2),
        has_pair=st.booleans(),
    )
    def open(self, quirks: Quirks, processes_live: bool, computers: int, has_pair: bool = False) -> None:
        self.is_unkind = not quirks.refuse_used_external_id
        if self.is_unkind and ASSUMED.lists_show_what_runs:
            quirks = replace(quirks, list_running=True)
        self.quirks = quirks
        self.processes_live = self.is_unkind and processes_live
        self.theatre = Theatre(Path(self.folder.name), quirks, computers=computers, has_pair=has_pair)
        late: tuple[float, ...] = ANY_TIME
        if self.is_unkind:
            late = ASSUMED.late + (ASSUMED.late_if_heard if processes_live else ())
        self.of_creations = st.sampled_from(misfortunes_of_creations(late))
        self.of_looks = st.sampled_from(misfortunes_of_looks())

    @property
    def stage(self) -> Theatre:
        assert self.theatre is not None
        return self.theatre

    # ---- what may happen

    @rule(
        kind=KINDS,
        place=PLACES,
        patience=PATIENCE,
        misfortunes=st.data(),
        go=st.booleans(),
    )
    def ask(self, kind: str, place: int, patience: float, misfortunes: st.DataObject, go: bool) -> None:
        self.asked.append(new_wish(kind, len(self.asked)))
        self._create(self.asked[-1], place, patience, misfortunes, go=go)

    @rule(number=st.integers(0, 2), place=PLACES, patience=PATIENCE, misfortunes=st.data(), go=st.booleans())
    def ask_again(self, number: int, place: int, patience: float, misfortunes: st.DataObject, go: bool) -> None:
        if self.asked:
            self._create(self.asked[-1 - number % len(self.asked)], place, patience, misfortunes, go=go)

    def _create(self, asked: Asked, place: int, patience: float, misfortunes: st.DataObject, *, go: bool) -> None:
        for name, options in misfortunes.draw(st.lists(self.of_creations, max_size=2)):
            self.stage.faults.arm(name, **for_kind(asked.draft, options, has_pair=self.stage.has_pair))
        self.stage.make(place, asked.draft, allow_duplicate_name=asked.allow_duplicate_name, patience=patience)
        if go:
            self.stage.run_on()

    @rule(place=PLACES, number=st.integers(0, 3))
    def step(self, place: int, number: int) -> None:
        self.stage.step(place, number)

    @rule()
    def run_on(self) -> None:
        self.stage.run_on()

    @rule(seconds=st.sampled_from((0.2, 1.0, 3.0, 12.0, 45.0, 130.0)), stalling=st.booleans())
    def pass_time(self, seconds: float, stalling: bool) -> None:
        may_stall = not (self.is_unkind and ASSUMED.nobody_stalls)
        self.stage.pass_time(seconds, stalling=stalling and may_stall)

    @rule(number=st.integers(0, 3))
    def cancel(self, number: int) -> None:
        self.stage.cancel(number)

    @rule(place=PLACES, restart=st.booleans())
    def crash(self, place: int, restart: bool) -> None:
        if not self.processes_live:
            self.stage.crash(place, restart=restart)

    @rule(place=PLACES, seconds=STEPS_OF_CLOCKS)
    def step_clock(self, place: int, seconds: float) -> None:
        self.stage.step_clock(place, seconds)

    @rule(misfortunes=st.data())
    def spoil_a_look(self, misfortunes: st.DataObject) -> None:
        name, options = misfortunes.draw(self.of_looks)
        self.stage.faults.arm(name, **options)

    @rule(number=st.integers(0, 5))
    def delete(self, number: int) -> None:
        """A ready element or voice is deleted in another program."""
        world = self.stage.world
        ready = [task for task in self.stage.tasks() if is_ready(task, world.clock())]
        if not ready:
            return
        task, key = ready[number % len(ready)], ACCESS_KEY if self.stage.has_pair else API_KEY
        account = world.account_of(key)
        if isinstance(task, ElementTask):
            world.delete_element(account, task.element_id)
        elif isinstance(task, VoiceTask):
            world.delete_voice(account, task.voice_id)

    # ---- what must hold

    @invariant()
    def nothing_is_made_twice(self) -> None:
        if self.theatre is None:
            return
        counts = self.stage.world.accepted_creations()
        assert set(counts.values()) <= {1}, counts
        for asked in self.asked:
            attempts = sorted(self._tasks_of(asked.draft), key=lambda task: task.created)
            for earlier, later in itertools.pairwise(attempts):
                assert is_over(earlier, later.created), f"{asked.draft} was made twice"

    @invariant()
    def everybody_is_told_the_truth(self) -> None:
        if self.theatre is None:
            return
        for call in self.stage.calls:
            if call.task.done() and id(call) not in self.judged:
                self.judged.add(id(call))
                self._judge(call)

    def teardown(self) -> None:
        if self.theatre is None:
            return
        try:
            self.stage.finish()
            self.everybody_is_told_the_truth()
            self._everything_ends_known()
            self.stage.pass_time(400, stalling=False)
            self.nothing_is_made_twice()
        finally:
            self.stage.close()
            self.folder.cleanup()

    # ---- inside

    def _tasks_of(self, draft: Draft) -> list[AnyTask]:
        return tasks_for(self.stage.world, draft)

    def _judge(self, call: Call) -> None:
        match call.result:
            case Submission() as submission:
                self._is_of(submission, call.draft)
            case KlingError() as error:
                self._is_honest(error, call)

    def _is_of(self, submission: Submission[Any], draft: Draft) -> None:
        (task,) = [task for task in self.stage.tasks() if task.task_id == submission.task.task_id]
        assert content_of_task(task) == content_of(draft), "a task under the wrong intent"
        assert task.external_task_id == submission.external_task_id

    def _is_honest(self, error: KlingError, call: Call) -> None:
        told = error.for_caller()
        assert error.kind != "internal", told
        if error.created == "maybe":
            assert "kmcp-" in told or (caller_id_of(call.draft) or "?") in told, "unknown, and without its id"
        elif not call.overlapped:
            now = self.stage.world.clock()
            alive = [task for task in self._tasks_of(call.draft) if not is_over(task, now)]
            assert not alive, f"told that nothing was created: {told}"

    def _everything_ends_known(self) -> None:
        """At once, or, where Kling hides a task that still runs, when it is asked again later.

        A record without an external id may be any lost task of its name, until all of them have been asked for.
        """
        is_opaque = not self.quirks.query_by_external_id and self.quirks.task_info == "always-empty"
        open_wishes = [asked for asked in self.asked if self._ask_at_last(asked)]
        if open_wishes:
            self.stage.pass_time(400, stalling=False)
        for asked in open_wishes:
            unknown = self._ask_at_last(asked)
            if unknown and not (is_opaque and unknown.external_task_id):
                pytest.fail(f"{asked.draft} does not end known: {unknown}")

    def _ask_at_last(self, asked: Asked) -> UnknownOutcomeError | None:
        process = self.stage.processes[0]
        making = process.make(asked.draft, allow_duplicate_name=asked.allow_duplicate_name, patience=400)
        try:
            submission = self.stage.ask(making)
        except NameTakenError:
            assert not asked.allow_duplicate_name
        except InputError:
            assert caller_id_of(asked.draft) == "zoe"
        except UnknownOutcomeError as unknown:
            return unknown
        else:
            self._is_of(submission, asked.draft)
            if isinstance(asked.draft, GenerationDraft):
                self._ends_on_the_disk(asked.draft)
        return None

    def _ends_on_the_disk(self, draft: GenerationDraft) -> None:
        """What was paid for is saved, once, whatever happened before."""
        try:
            made = self.stage.ask(self.stage.processes[1].film(draft))
        except TaskFailedError:
            return
        assert made.task.task_status == "succeed"
        assert all(Path(file.path).stat().st_size == file.bytes > 0 for file in made.files), made.files
        assert len({file.path for file in made.files}) == (2 if isinstance(draft, ImageDraft) else 1)


def for_kind(draft: Draft, options: dict[str, Any], *, has_pair: bool) -> dict[str, Any]:
    """A misfortune of creation requests happens on the route of the draft's kind."""
    return options | {"route": route_of(draft, has_pair=has_pair)} if options.get("route") == "create" else options


def is_over(task: AnyTask, at: float) -> bool:
    """Whether a task had failed, or its element been deleted, by then."""
    failed = bool(task.failure) and task.ended <= at
    return failed or (task.deleted_at is not None and task.deleted_at <= at)


def is_ready(task: AnyTask, at: float) -> bool:
    """Whether its element can be used."""
    return task.ended <= at and not task.failure and task.deleted_at is None


TestNeverTwice = NeverTwice.TestCase
TestNeverTwice.settings = settings(
    max_examples=3000 if IS_NIGHTLY else 40,
    stateful_step_count=60 if IS_NIGHTLY else 40,
    derandomize=not IS_NIGHTLY,
    print_blob=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
