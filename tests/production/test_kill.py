"""`kill -9` of the real server halfway through a plan, twice: each element is made once, and none is lost.

Real processes, real sockets, real files and real time.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from never_twice.real_server import PATIENCE, Kling, Server, created
from never_twice.wishes import elements_at

from kling_mcp.simulator import served_in_background
from production.episodes import NAMES, Episode

if TYPE_CHECKING:
    from pathlib import Path

EIGHT = NAMES[:8]


def call(server: Server, tool: str, **arguments: Any) -> int:
    return server.ask("tools/call", {"name": tool, "arguments": arguments})


def wait_for_creations(kling: Kling, count: int) -> None:
    """Until Kling has carried out so many."""
    ends = time.monotonic() + PATIENCE
    while sum(request.committed for request in kling.requests("create")) < count:
        assert time.monotonic() < ends
        time.sleep(0.005)


def test_server_killed_twice_halfway_makes_each_of_eight_elements_once(tmp_path: Path) -> None:
    kling = Kling()
    sheets = tmp_path / "episode"
    sheets.mkdir()
    episode = Episode(sheets)
    episode.add(*EIGHT)
    path = episode.save()
    kling.faults.delay(5, after_commit=True, route="create", times=1)
    with served_in_background(kling.world, kling.faults) as url:
        with Server(url, tmp_path) as server:
            (planned,) = server.answers(call(server, "plan_production", path=path))
            plan_id = created(planned)["plan_id"]
            call(server, "apply_production", plan_id=plan_id)
            wait_for_creations(kling, 3)
            server.kill()
        with Server(url, tmp_path) as server:
            call(server, "apply_production", plan_id=plan_id)
            wait_for_creations(kling, 6)
            server.kill()
        with Server(url, tmp_path) as server:
            (applied,) = server.answers(call(server, "apply_production", plan_id=plan_id, wait_seconds=int(PATIENCE)))
            (again,) = server.answers(call(server, "plan_production", path=path))
    assert {row["status"] for row in created(applied)["entries"]} <= {"ready"}
    assert [row["name"] for row in created(again)["unchanged"]] == list(EIGHT)
    made = Counter(task.element_name for task in elements_at(kling.world))
    assert made == Counter(EIGHT)
    assert episode.ids() == {task.element_name: task.element_id for task in elements_at(kling.world)}
