"""`kill -9` of the real server between a creation's request and its reply; then a restart and the same call.

Real processes, real sockets and real time. Kling accepts a used id again here, so nothing rests on its refusal.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from kling_mcp.simulator import served_in_background
from kling_mcp.simulator.serving import HOST
from never_twice.real_server import Kling, Server, created
from never_twice.wishes import elements_at

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def kling() -> Kling:
    return Kling()


@pytest.fixture
def url(kling: Kling) -> Iterator[str]:
    with served_in_background(kling.world, kling.faults) as address:
        yield address


@pytest.fixture
def wish(tmp_path: Path) -> dict[str, Any]:
    for name, colour in (("front.jpg", "tomato"), ("side.png", "seagreen")):
        Image.new("RGB", (400, 500), colour).save(tmp_path / name)
    return {
        "element_name": "Mia",
        "element_description": "Barista",
        "reference_type": "image_refer",
        "frontal_image": str(tmp_path / "front.jpg"),
        "refer_images": [str(tmp_path / "side.png")],
    }


def ask_again(url: str, folder: Path, wish: dict[str, Any], *, times: int = 1) -> list[dict[str, Any]]:
    """Start the server anew and repeat the call."""
    with Server(url, folder) as server:
        numbers = [server.create(wish) for _ in range(times)]
        return [created(answer) for answer in server.answers(*numbers)]


def assert_one_element(kling: Kling, told: list[dict[str, Any]]) -> None:
    (task,) = elements_at(kling.world)
    ids = {(one["task_id"], one["external_task_id"], *one["element_ids"]) for one in told}
    assert ids == {(task.task_id, task.external_task_id, task.element_id)}


def test_process_killed_after_the_commit_makes_one_element(
    kling: Kling, url: str, wish: dict[str, Any], tmp_path: Path
) -> None:
    kling.faults.delay(20, after_commit=True, route="create")
    with Server(url, tmp_path) as server:
        server.create(wish)
        kling.wait_for("create", committed=True)
        server.kill()
    told = ask_again(url, tmp_path, wish)
    assert_one_element(kling, told)
    assert told[0]["outcome"] == "recovered"
    assert len(kling.requests("create")) == 1


def test_process_killed_before_the_commit_makes_one_element(
    kling: Kling, url: str, wish: dict[str, Any], tmp_path: Path
) -> None:
    """Kling commits three seconds after the request, when nobody listens any more."""
    kling.faults.delay(3, route="create")
    with Server(url, tmp_path) as server:
        server.create(wish)
        kling.wait_for("create")
        server.kill()
    told = ask_again(url, tmp_path, wish)
    assert_one_element(kling, told)
    assert len(kling.requests("create")) == 1


def test_process_killed_with_five_calls_at_once_makes_one_element(
    kling: Kling, url: str, wish: dict[str, Any], tmp_path: Path
) -> None:
    kling.faults.delay(20, after_commit=True, route="create")
    with Server(url, tmp_path) as server:
        for _ in range(5):
            server.create(wish)
        kling.wait_for("create", committed=True)
        server.kill()
    told = ask_again(url, tmp_path, wish, times=5)
    assert_one_element(kling, told)
    assert len(kling.requests("create")) == 1


def test_process_killed_during_the_lookup_after_a_5002_makes_one_element(
    kling: Kling, url: str, wish: dict[str, Any], tmp_path: Path
) -> None:
    kling.faults.reply_code(5002, after_commit=True, route="create")
    kling.faults.delay(20, route="query")
    with Server(url, tmp_path) as server:
        server.create(wish)
        kling.wait_for("query")
        server.kill()
    told = ask_again(url, tmp_path, wish)
    assert_one_element(kling, told)
    assert told[0]["outcome"] == "recovered"
    assert len(kling.requests("create")) == 1


def test_process_killed_after_refused_connections_makes_one_element(
    kling: Kling, wish: dict[str, Any], tmp_path: Path
) -> None:
    """Nobody listens at first, so the request is made again, arrives, and loses its sender."""
    kling.faults.delay(20, after_commit=True, route="create")
    with ExitStack() as cleanup:
        with unheard_port() as port:
            url = f"http://{HOST}:{port}"
            server = cleanup.enter_context(Server(url, tmp_path))
            server.create(wish)
            assert server.hear()["method"] == "notifications/progress"
            time.sleep(1)  # a first and a second connection are refused meanwhile
        cleanup.enter_context(served_in_background(kling.world, kling.faults, port))
        kling.wait_for("create", committed=True)
        server.kill()
        told = ask_again(url, tmp_path, wish)
    assert_one_element(kling, told)
    assert len(kling.requests("create")) == 1


@contextmanager
def unheard_port() -> Iterator[int]:
    """A port at which nobody listens, and which nobody else takes."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((HOST, 0))
        yield taken.getsockname()[1]
