"""`kill -9` of the real server at each stage of a paid clip; then two servers at once are asked for the same clip.

Real processes, real sockets, real files and real time.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kling_mcp.simulator import served_in_background
from never_twice.real_server import Kling, Server, created
from never_twice.wishes import tasks_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from kling_mcp.simulator import Faults

PROMPT = "Mia waves"

# What is slow, and the request during which the server is killed.
STAGES: dict[str, tuple[Callable[[Faults], object], str]] = {
    "after the commit": (lambda faults: faults.delay(20, after_commit=True, route="omni-video"), "omni-video"),
    "before the commit": (lambda faults: faults.delay(3, route="omni-video"), "omni-video"),
    "while waiting": (lambda faults: faults.delay(20, route="tasks-get"), "tasks-get"),
    "while downloading": (lambda faults: faults.slow_body(2, piece_bytes=2000), "file"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_clip_of_a_killed_server_is_paid_once_and_saved_once(stage: str, tmp_path: Path) -> None:
    kling, (slow_down, route) = Kling(), STAGES[stage]
    slow_down(kling.faults)
    with served_in_background(kling.world, kling.faults) as url:
        with Server(url, tmp_path) as server:
            server.film(PROMPT)
            kling.wait_for(route, committed=stage == "after the commit")
            server.kill()
        with Server(url, tmp_path) as one, Server(url, tmp_path) as other:
            first, second = one.film(PROMPT), other.film(PROMPT)
            told = [created(answer) for answer in (*one.answers(first), *other.answers(second))]
    (task,) = tasks_at(kling.world)
    assert {one["task_id"] for one in told} == {task.task_id}
    paths = {Path(row["path"]) for one in told for row in one["files"]}
    assert {path.name for path in (tmp_path / "results").rglob("*") if path.is_file()} == {
        "mia-waves.mp4",
        "mia-waves.json",
    }
    assert {path.name for path in paths} == {"mia-waves.mp4"}
    assert sum(kling.world.account(name).ledger.spent(task.ended)["video"] for name in kling.world.accounts) == 3
