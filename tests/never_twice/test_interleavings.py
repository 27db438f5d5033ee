"""Random interleavings of everything that can happen to a creation, checked after every step.

Short and always the same by default; `HYPOTHESIS_PROFILE=nightly` searches long and prints how to repeat a failure.

Two things cannot be known without Kling's help, so where Kling accepts a used external_task_id again (no page says
whether it does; fact: msg-external-id-used), the proof rests on the assumptions of `ASSUMED` alone. Where Kling
refuses it, there are none: any request may be committed at any time, and any process may sleep for any time.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from stage import API_KEY

from kling_mcp.creation import Creation
from kling_mcp.errors import InputError, KlingError, NameTakenError, UnknownOutcomeError
from kling_mcp.fulfilment import SETTLES_AFTER_SILENCE
from kling_mcp.journal import SETTLES_AFTER_DESERTION
from kling_mcp.simulator import Quirks
from never_twice.driver import Call, Theatre
from never_twice.wishes import draft_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kling_mcp.media.draft import ElementDraft
    from kling_mcp.simulator.records import ElementTask


@dataclass(frozen=True, slots=True)
class Asked:
    """Something that somebody asks for."""

    draft: ElementDraft
    allow_duplicate_name: bool = False


def new_wish(kind: str, number: int) -> Asked:
    """A wish that nobody had before; some kinds share a name or an id with others."""
    content = f"wish {number}"
    match kind:
        case "a name of its own":
            return Asked(draft_of(f"Ada {number}", content))
        case "a shared name":
            return Asked(draft_of("Mia", content))
        case "a shared name, on purpose":
            return Asked(draft_of("Mia", content), allow_duplicate_name=True)
        case "an id of its own":
            return Asked(draft_of("Leo", content, f"leo-{number}"), allow_duplicate_name=True)
        case _:
            return Asked(draft_of("Zoe", content, "zoe"), allow_duplicate_name=True)


KINDS = ("a name of its own", "a shared name", "a shared name, on purpose", "an id of its own", "a shared id")
ENDINGS = ("closed", "reset", "hang")
UNREADABLE = ("html", "empty", "truncated", "array", "wrong-data", "wrong-code", "bad-utf8")
WITHOUT_DATA = ("no-data", "null-data", "wrong-fields")


@dataclass(frozen=True, slots=True)
class Assumed:
    """What must be assumed of a Kling that accepts a used id again. Seconds.

    `late`: the longest that a request may be at work at Kling after it was sent, and still be committed.
    `late_if_heard`: the same while its caller lives and listens on.
    `empty_lists_are_true`: a list without data on code 0 means an empty library.
    Besides, no process stands still for long between writing that it sends and sending, while another one works.
    """

    late: tuple[float, ...] = (2, 8, SETTLES_AFTER_DESERTION - 2)
    late_if_heard: tuple[float, ...] = (41, 40 + SETTLES_AFTER_SILENCE - 5)
    empty_lists_are_true: bool = True


ASSUMED = Assumed()
ANY_TIME = (2.0, 8.0, 41.0, 95.0, 300.0)


def faults_of_creations(late: Iterable[float]) -> st.SearchStrategy[tuple[str, dict[str, object]]]:
    """What may go wrong with a creation request, as the simulator's fault and its options."""
    create: dict[str, object] = {"route": "create"}
    after = st.booleans().map(lambda after_commit: {**create, "after_commit": after_commit})
    return st.one_of(
        st.tuples(st.just("lose_reply_before_commit"), st.sampled_from(ENDINGS).map(lambda e: {**create, "ending": e})),
        st.tuples(st.just("lose_reply_after_create"), st.sampled_from(ENDINGS).map(lambda e: {"ending": e})),
        st.tuples(
            st.just("refuse_connection"),
            st.tuples(st.booleans(), st.integers(1, 5)).map(lambda c: {**create, "timeout": c[0], "times": c[1]}),
        ),
        st.tuples(
            st.just("reply_code"),
            st.tuples(after, st.sampled_from((5000, 5001, 5002))).map(lambda c: {**c[0], "code": c[1]}),
        ),
        st.tuples(
            st.just("reply_status"),
            st.tuples(after, st.sampled_from((500, 502, 503, 504))).map(lambda c: {**c[0], "status": c[1]}),
        ),
        st.tuples(st.just("reply_status"), st.sampled_from((404, 429)).map(lambda s: {**create, "status": s})),
        st.tuples(
            st.just("malformed"),
            st.tuples(after, st.sampled_from((*UNREADABLE, *WITHOUT_DATA))).map(lambda c: {**c[0], "shape": c[1]}),
        ),
        st.tuples(
            st.just("reply_code"),
            st.tuples(st.sampled_from((1302, 1303)), st.integers(1, 3)).map(
                lambda c: {**create, "code": c[0], "times": c[1]}
            ),
        ),
        st.tuples(st.just("limit_parallel"), st.just({"most": 1, "times": 2})),
        st.tuples(st.just("fail_task"), st.just({})),
        st.tuples(st.just("slow_task"), st.sampled_from((1.0, 60.0, 200.0)).map(lambda s: {"seconds": s})),
        st.tuples(
            st.just("delay"),
            st.tuples(st.sampled_from(tuple(late)), st.booleans()).map(
                lambda c: {**create, "seconds": c[0], "after_commit": c[1]}
            ),
        ),
    )


def faults_of_looks(shapes: Iterable[str]) -> st.SearchStrategy[tuple[str, dict[str, object]]]:
    """What may go wrong with a look-up."""
    route = st.sampled_from(("query", "list")).map(lambda name: {"route": name})
    return st.one_of(
        st.tuples(
            st.just("refuse_connection"), st.tuples(route, st.integers(1, 5)).map(lambda c: {**c[0], "times": c[1]})
        ),
        st.tuples(st.just("lose_reply_after_commit"), route),
        st.tuples(st.just("reply_code"), route.map(lambda r: {**r, "code": 5000, "times": 5})),
        st.tuples(st.just("reply_status"), route.map(lambda r: {**r, "status": 502})),
        st.tuples(
            st.just("malformed"),
            st.tuples(route, st.sampled_from(tuple(shapes))).map(lambda c: {**c[0], "shape": c[1]}),
        ),
    )


# The journal waits for the disk at every step; memory makes no difference to what is proved.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - a directory of our own is made there
PLACES = st.integers(0, 1)
PATIENCE = st.sampled_from((5.0, 45.0, 200.0))


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
            query_by_external_id=st.booleans(),
            refuse_used_external_id=st.booleans(),
            task_info=st.sampled_from(("full", "empty-while-running", "missing-while-running", "always-empty")),
        ),
        callers_stay=st.booleans(),
    )
    def open(self, quirks: Quirks, callers_stay: bool) -> None:
        self.quirks = quirks
        self.is_careless = not quirks.refuse_used_external_id
        self.callers_stay = self.is_careless and callers_stay
        self.theatre = Theatre(Path(self.folder.name), quirks)
        if not self.is_careless:
            self.late: tuple[float, ...] = ANY_TIME
        else:
            self.late = (*ASSUMED.late, *(ASSUMED.late_if_heard if callers_stay else ()))

    @property
    def stage(self) -> Theatre:
        assert self.theatre is not None
        return self.theatre

    # ---- what may happen

    @rule(kind=st.sampled_from(KINDS), place=PLACES, patience=PATIENCE, misfortunes=st.data(), go=st.booleans())
    def ask(self, kind: str, place: int, patience: float, misfortunes: st.DataObject, go: bool) -> None:
        self.asked.append(new_wish(kind, len(self.asked)))
        self._create(self.asked[-1], place, patience, misfortunes, go)

    @rule(number=st.integers(0, 2), place=PLACES, patience=PATIENCE, misfortunes=st.data(), go=st.booleans())
    def ask_again(self, number: int, place: int, patience: float, misfortunes: st.DataObject, go: bool) -> None:
        if self.asked:
            self._create(self.asked[-1 - number % len(self.asked)], place, patience, misfortunes, go)

    def _create(self, asked: Asked, place: int, patience: float, misfortunes: st.DataObject, go: bool) -> None:
        for name, options in misfortunes.draw(st.lists(faults_of_creations(self.late), max_size=2)):
            self.stage.faults.arm(name, **options)
        self.stage.create(place, asked.draft, allow_duplicate_name=asked.allow_duplicate_name, patience=patience)
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
        self.stage.pass_time(seconds, stalling=stalling and not self.is_careless)

    @rule(number=st.integers(0, 3))
    def cancel(self, number: int) -> None:
        if not self.callers_stay:
            self.stage.cancel(number)

    @rule(place=PLACES)
    def crash(self, place: int) -> None:
        if not self.callers_stay:
            self.stage.crash(place)

    @rule(data=st.data())
    def spoil_a_look(self, data: st.DataObject) -> None:
        shapes = (*UNREADABLE, *(() if self.is_careless and ASSUMED.empty_lists_are_true else WITHOUT_DATA))
        name, options = data.draw(faults_of_looks(shapes))
        self.stage.faults.arm(name, **options)

    @rule(number=st.integers(0, 5))
    def delete(self, number: int) -> None:
        """Somebody deletes a ready element in another program."""
        world = self.stage.world
        ready = [task for task in self.stage.tasks() if is_ready(task, world.clock())]
        if ready:
            task = ready[number % len(ready)]
            world.delete_element(world.account_of(API_KEY), task.element_id)

    # ---- what must hold

    @invariant()
    def nothing_is_made_twice(self) -> None:
        if self.theatre is None:
            return
        counts = self.stage.world.accepted_creations()
        assert all(count == 1 for count in counts.values()), counts
        for asked in self.asked:
            attempts = sorted(self._tasks_of(asked.draft), key=lambda task: task.created)
            for earlier, later in zip(attempts, attempts[1:], strict=False):
                assert is_over(earlier, later.created), f"{asked.draft} was made twice"

    @invariant()
    def everybody_is_told_the_truth(self) -> None:
        if self.theatre is None:
            return
        for call in self.stage.calls:
            if id(call) in self.judged or not call.task.done():
                continue
            self.judged.add(id(call))
            match call.result:
                case Creation() as creation:
                    self._is_of(creation, call.draft)
                case KlingError() as error:
                    self._is_honest(error, call)

    def teardown(self) -> None:
        if self.theatre is None:
            return
        try:
            self.stage.finish()
            self.everybody_is_told_the_truth()
            for asked in self.asked:
                self._ends_known(asked)
            self.stage.pass_time(400, stalling=False)
            self.nothing_is_made_twice()
        finally:
            self.stage.close()
            self.folder.cleanup()

    # ---- inside

    def _tasks_of(self, draft: ElementDraft) -> list[ElementTask]:
        return [task for task in self.stage.tasks() if task.element_description == draft.element_description]

    def _is_of(self, creation: Creation, draft: ElementDraft) -> None:
        (task,) = [task for task in self.stage.tasks() if task.task_id == creation.task.task_id]
        assert task.element_description == draft.element_description, "an element under the wrong intent"
        assert task.external_task_id == creation.external_task_id

    def _is_honest(self, error: KlingError, call: Call) -> None:
        told = error.for_caller()
        assert error.kind != "internal", told
        if error.created == "maybe":
            assert "kmcp-" in told or (call.draft.external_task_id or "?") in told, "unknown, and without its id"
        elif not call.overlapped and not isinstance(error, InputError):
            now = self.stage.world.clock()
            alive = [task for task in self._tasks_of(call.draft) if not is_over(task, now)]
            assert not alive, f"told that nothing was created: {told}"

    def _ends_known(self, asked: Asked) -> None:
        draft = asked.draft
        account = self.stage.processes[0].own_account()
        try:
            creation = self.stage.ask(
                account.creator.create(draft, allow_duplicate_name=asked.allow_duplicate_name, patience=400)
            )
        except (NameTakenError, InputError) as refusal:
            note(f"{draft.element_description}: {refusal}")
        except UnknownOutcomeError as unknown:
            assert unknown.external_task_id
            assert not self.quirks.query_by_external_id, unknown
            assert self.quirks.task_info == "always-empty", unknown
        else:
            self._is_of(creation, draft)


def is_over(task: ElementTask, at: float) -> bool:
    """Whether a task had failed, or its element been deleted, by then."""
    failed = bool(task.failure) and task.ended <= at
    return failed or (task.deleted_at is not None and task.deleted_at <= at)


def is_ready(task: ElementTask, at: float) -> bool:
    """Whether its element can be used."""
    return task.ended <= at and not task.failure and task.deleted_at is None


TestNeverTwice = NeverTwice.TestCase
TestNeverTwice.settings = (
    settings(max_examples=5000, stateful_step_count=80, deadline=None, print_blob=True)
    if os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
    else settings(max_examples=40, stateful_step_count=40, deadline=None, derandomize=True)
)
TestNeverTwice.settings = settings(
    TestNeverTwice.settings, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
