"""The campaign can fail, and the same seed asks for the same: parts of it without any process."""

from __future__ import annotations

import copy
import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kling_mcp.simulator.routes import ROUTE_NAMES
from soak.callers import Answer, Callers
from soak.storm import OF_CREATIONS, OF_FILES, OF_LOOKS, Storm
from soak.verdict import Verdict, judge
from soak.wishes import KINDS, Wish, wish_of

if TYPE_CHECKING:
    from collections.abc import Iterable

SEED = 7


def clip_wish() -> Wish:
    return next(wish for wish in wishes(range(1, 100)) if wish.kind == "clip")


def wishes(numbers: Iterable[int]) -> list[Wish]:
    return [wish_of(SEED, number, Path("pictures")) for number in numbers]


class Story:
    """One clip that was asked for, made, paid and saved; tests spoil it."""

    def __init__(self, folder: Path) -> None:
        self.wish, self.output, self.log = clip_wish(), folder / "results", folder / "server.log"
        self.output.mkdir()
        self.file = self.output / "clip.mp4"
        self.file.write_bytes(b"a clip")
        (self.output / "clip.json").write_text("{}", "utf-8")
        self.log.write_text("WARNING something usual\n", "utf-8")
        self.answer = Answer("870", (str(self.file),))
        self.tasks: list[dict[str, Any]] = [
            {
                "content": self.wish.content,
                "task_id": "870",
                "external_task_id": "kmcp-clip",
                "bills": ["3"],
                "files": [hashlib.sha256(b"a clip").hexdigest()],
            }
        ]

    def verdict(self) -> Verdict:
        return judge([(self.wish, self.answer)], {"tasks": self.tasks}, self.output, [self.log])

    def make_again(self) -> None:
        self.tasks.append({**copy.deepcopy(self.tasks[0]), "task_id": "871", "files": []})


def set_answer(answer: Answer) -> Callable[[Story], None]:
    return lambda story: setattr(story, "answer", answer)


SPOILT: dict[str, tuple[Callable[[Story], object], str]] = {
    "a second task": (Story.make_again, "made twice"),
    "no task": (lambda story: story.tasks.clear(), "lost"),
    "another task in the answer": (set_answer(Answer("872")), "lost"),
    "a refusal": (set_answer(Answer("870", refusal="no answer after 300 calls")), "lost"),
    "no file": (lambda story: story.file.unlink(), "paid for and not on the disk"),
    "half a file": (lambda story: story.file.write_bytes(b"a cl"), "paid for and not on the disk"),
    "a copy": (lambda story: (story.output / "clip (2).mp4").write_bytes(b"a clip"), "on the disk twice"),
    "a second bill": (lambda story: story.tasks[0]["bills"].append("3"), "billed otherwise than once"),
    "a dearer bill": (lambda story: story.tasks[0].update(bills=["6"]), "billed otherwise than once"),
    "a task without a wish": (
        lambda story: story.tasks.append({**story.tasks[0], "content": "another"}),
        "made without a wish",
    ),
    "a traceback": (lambda story: story.log.write_text("Traceback (most recent call last):\n"), "defects in the logs"),
}


def test_campaign_in_which_all_went_well_holds(tmp_path: Path) -> None:
    verdict = Story(tmp_path).verdict()
    assert verdict.holds
    assert verdict.findings() == []


@pytest.mark.parametrize("what", SPOILT)
def test_judge_of_the_campaign_finds_what_was_planted(what: str, tmp_path: Path) -> None:
    story, (spoil, finding) = Story(tmp_path), SPOILT[what]
    spoil(story)
    verdict = story.verdict()
    assert not verdict.holds
    assert {name for name, cases in verdict.as_counts().items() if cases} == {finding}


def test_same_seed_asks_for_the_same_and_no_content_comes_twice() -> None:
    asked = wishes(range(1, 301))
    assert asked == wishes(range(1, 301))
    assert len({wish.content for wish in asked}) == 300
    assert {wish.kind for wish in asked} == set(KINDS)
    assert wish_of(SEED + 1, 1, Path("pictures")).content != asked[0].content


def test_same_seed_draws_the_same_ills_for_a_share_of_the_requests() -> None:
    routes = ["create", "omni-video", "tasks-get", "file"] * 250
    first, second = (Storm(SEED, 0.3, 5) for _ in range(2))
    plans = [first.plan(route) for route in routes]
    assert plans == [second.plan(route) for route in routes]
    spoilt = sum(plan.names != () for plan in plans)
    assert spoilt == sum(first.drawn.values())
    assert 250 < spoilt < 350
    assert first.armed == []
    slow = {ill.label for ill in OF_CREATIONS if ill.slow}
    assert sum(number for label, number in first.drawn.items() if label in slow) == 5


def test_every_ill_can_be_armed_for_every_route() -> None:
    storm = Storm(SEED, 0.0, 0)
    for ill in [*OF_CREATIONS, *OF_LOOKS, *OF_FILES]:
        for route in ROUTE_NAMES:
            storm.arm(ill.fault, route=route, **ill.options)
    assert Counter(fault.route for fault in storm.armed)["create"] == len([*OF_CREATIONS, *OF_LOOKS, *OF_FILES])


ERROR = "Sorry.\nkind={kind} created=no retry={retry} code=- request_id=-"


@pytest.mark.parametrize(
    ("kind", "retry", "is_over"),
    [("busy", "later", False), ("network", "now", False), ("bad_input", "never", True), ("internal", "later", True)],
)
def test_caller_repeats_what_may_be_repeated(kind: str, retry: str, is_over: bool) -> None:
    told = {"isError": True, "content": [{"type": "text", "text": ERROR.format(kind=kind, retry=retry)}]}
    answer = Callers((), SEED)._judge(clip_wish(), told)
    assert (answer is not None) == is_over
    assert answer is None or answer.refusal.startswith("Sorry.")


@pytest.mark.parametrize(
    ("status", "path", "is_over"), [("succeed", "/a.mp4", True), ("succeed", "", False), ("processing", "", False)]
)
def test_caller_is_content_once_the_clip_is_saved(status: str, path: str, is_over: bool) -> None:
    view = {"task_id": "870", "task_status": status, "outcome": "submitted", "files": [{"path": path}]}
    answer = Callers((), SEED)._judge(clip_wish(), {"structuredContent": view})
    assert (answer is not None) == is_over
    assert answer is None or answer == Answer("870", (path,))
