"""What may go wrong, as the simulator's faults and their options, and what must be assumed of an unkind Kling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kling_mcp.api.sender import Timeouts
from kling_mcp.simulator.fault_actions import SHAPES
from kling_mcp.tasks.entry import SETTLES_AFTER_ABANDONMENT, SETTLES_AFTER_SILENCE

if TYPE_CHECKING:
    from collections.abc import Iterable

Misfortune = tuple[str, dict[str, Any]]

# The simulator's names of the routes on which tasks of every kind are read.
LOOKS = ("query", "list", "voice-query", "voice-list", "tasks-get", "v1-omni-video-query", "v1-omni-image-list")
ENDINGS = ("closed", "reset", "hang")
READ_TIMEOUT = Timeouts().read


@dataclass(frozen=True, slots=True)
class Assumed:
    """What must be assumed where Kling accepts a used external_task_id again. Seconds.

    No page says whether it does for elements (fact: msg-external-id-used); where it refuses one, nothing of this
    is assumed: a request may be committed at any time, and a process may stand still for any time.

    Attributes:
        late: how long a request may be at work at Kling and still be committed, whoever listens.
        late_if_heard: the same while the process that sent it lives.
        lists_show_what_runs: running tasks are rows of the list (fact: list-is-tasks, a guess).
        nobody_stalls: no process stands still between writing down that it sends and sending, while others work.
    """

    late: tuple[float, ...] = (2.0, 8.0, SETTLES_AFTER_ABANDONMENT - 2)
    late_if_heard: tuple[float, ...] = (READ_TIMEOUT + 1, READ_TIMEOUT + SETTLES_AFTER_SILENCE - 5)
    lists_show_what_runs: bool = True
    nobody_stalls: bool = True


ASSUMED = Assumed()
ANY_TIME = (2.0, 8.0, READ_TIMEOUT + 1, READ_TIMEOUT + SETTLES_AFTER_SILENCE - 5, 300.0)


def misfortunes_of_creations(late: Iterable[float]) -> list[Misfortune]:
    """For a creation request, or for the task that it makes."""
    before_and_after: list[Misfortune] = [
        *(("reply_code", {"code": code}) for code in (5000, 5001, 5002)),
        *(("reply_status", {"status": status}) for status in (500, 502, 503, 504)),
        *(("malformed", {"shape": shape}) for shape in SHAPES),
        *(("delay", {"seconds": seconds}) for seconds in late),
    ]
    at_the_door: list[Misfortune] = [
        *(("lose_reply_before_commit", {"ending": ending}) for ending in ENDINGS),
        *(("lose_reply_after_commit", {"ending": ending}) for ending in ENDINGS),
        *(("refuse_connection", {"timeout": timeout, "times": 5}) for timeout in (False, True)),
        *(("reply_status", {"status": status}) for status in (404, 429)),
        *(("reply_code", {"code": code, "times": 2}) for code in (1302, 1303)),
    ]
    in_the_task: list[Misfortune] = [
        ("limit_parallel", {"most": 1, "times": 2}),
        ("fail_task", {}),
        *(("slow_task", {"seconds": seconds}) for seconds in (1.0, 60.0, 200.0)),
    ]
    split = [
        (name, {**options, "after_commit": after}) for name, options in before_and_after for after in (True, False)
    ]
    return [*((name, {**options, "route": "create"}) for name, options in [*split, *at_the_door]), *in_the_task]


def misfortunes_of_looks() -> list[Misfortune]:
    """For a look at one task or at the list, so often that repeating the request does not help."""
    all_of_them: list[Misfortune] = [
        ("refuse_connection", {}),
        ("lose_reply_after_commit", {}),
        ("reply_code", {"code": 5000}),
        ("reply_status", {"status": 502}),
        *(("malformed", {"shape": shape}) for shape in SHAPES),
    ]
    return [(name, {**options, "route": route, "times": 4}) for name, options in all_of_them for route in LOOKS]
