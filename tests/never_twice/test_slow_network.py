"""A client that gives up while its pictures are on the way: real processes, a real slow socket and real time."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from media.pictures import png_of_exactly

from kling_mcp.simulator import served_in_background
from kling_mcp.simulator.serving import HOST
from never_twice.real_server import Kling, Server, created
from never_twice.wishes import elements_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BYTES_PER_SECOND = 300_000
PIECE = 16_384


def test_client_that_gives_up_gets_its_element_from_a_later_call(tmp_path: Path) -> None:
    """Three seconds for 0.9 MB; the client gives up after one."""
    kling = Kling()
    with served_in_background(kling.world, kling.faults) as url, slow_line(url) as slow_url:
        wish = wish_with_large_pictures(tmp_path)
        with Server(slow_url, tmp_path) as server:
            for _ in range(2):
                number = server.create(wish)
                time.sleep(1)
                server.give_up(number)
            (answer,) = server.answers(server.create(wish))
    told = created(answer)
    (task,) = elements_at(kling.world)
    assert (told["outcome"], told["task_id"], told["element_ids"]) == (
        "already_submitted",
        task.task_id,
        [task.element_id],
    )
    assert len(kling.requests("create")) == 1


def wish_with_large_pictures(folder: Path) -> dict[str, Any]:
    for name in ("front.png", "side.png"):
        (folder / name).write_bytes(png_of_exactly(337_500))
    return {
        "element_name": "Mia",
        "element_description": "Barista",
        "reference_type": "image_refer",
        "frontal_image": str(folder / "front.png"),
        "refer_images": [str(folder / "side.png")],
    }


@contextmanager
def slow_line(url: str) -> Iterator[str]:
    """A port that passes everything on, and takes only so many bytes per second."""
    target = urlsplit(url).port
    with socket.create_server((HOST, 0)) as listener:

        def serve() -> None:
            with suppress(OSError):  # the listener was closed
                while True:
                    near, _ = listener.accept()
                    far = socket.create_connection((HOST, target or 0))
                    threading.Thread(target=pass_on, args=(near, far, BYTES_PER_SECOND), daemon=True).start()
                    threading.Thread(target=pass_on, args=(far, near, None), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://{HOST}:{listener.getsockname()[1]}"


def pass_on(source: socket.socket, target: socket.socket, rate: float | None) -> None:
    with suppress(OSError), source, target:
        while piece := source.recv(PIECE):
            if rate is not None:
                time.sleep(len(piece) / rate)
            target.sendall(piece)
