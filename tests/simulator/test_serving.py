"""The real server on a real port: what only TCP can show."""

import logging
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from kling_mcp.simulator import SANDBOX_API_KEY, Faults, World, serve, served_in_background, serving
from simulator.box import ELEMENTS, image_creation

HEADERS = {"Authorization": "Bearer canary-key", "Content-Type": "application/json"}


def test_a_lost_reply_closes_the_connection_and_the_task_exists(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world, faults = World(api_keys=["canary-key"]), Faults()
    with served_in_background(world, faults) as url, httpx.Client(base_url=url, headers=HEADERS) as http:
        faults.lose_reply_after_create()
        with pytest.raises(httpx.RemoteProtocolError):
            http.post(ELEMENTS, json=image_creation(external_task_id="lost"))
        faults.lose_reply_before_commit(ending="reset")
        with pytest.raises(httpx.ReadError):
            http.post(ELEMENTS, json=image_creation(external_task_id="never-made"))
        faults.refuse_connection()
        with pytest.raises(httpx.ReadError):
            http.post(ELEMENTS, json=image_creation(external_task_id="refused"))
        faults.lose_reply_after_create(ending="hang")
        with pytest.raises(httpx.ReadTimeout):
            http.post(ELEMENTS, json=image_creation(external_task_id="hung"), timeout=0.1)
        assert http.get(f"{ELEMENTS}/lost").json()["data"]["task_status"] == "submitted"
        (account,) = http.get("/_simulator/state").json()["accounts"].values()
        assert account["creations"] == {"lost": 1, "hung": 1}
    server_said = [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")]
    assert "canary" not in " ".join(server_said)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_closed_connection_has_not_a_single_byte_of_reply() -> None:
    faults = Faults()
    faults.lose_reply_before_commit()
    with served_in_background(World(), faults, control=False) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: simulator\r\n\r\n")
            assert connection.recv(100) == b""


def test_the_servers_date_is_the_worlds() -> None:
    with served_in_background(World(clock=lambda: 1_780_000_000.0)) as url:
        reply = httpx.get(url + ELEMENTS)
        assert reply.headers.get_list("date") == ["Thu, 28 May 2026 20:26:40 GMT"]
        assert "server" not in reply.headers


def test_a_reply_over_a_kept_connection_leaves_at_once() -> None:
    """Without this its body waits 40 ms for an acknowledgement of its head."""
    with serving._listen(0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_taken_port_is_said_at_once() -> None:
    with served_in_background(World()) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            serve(World(), port=port)


def test_serve_prints_its_address_and_stops_when_interrupted() -> None:
    program = (
        "from kling_mcp.simulator import World, serve\n"
        "serve(World(sandbox=True), on_listening=lambda url: print(url, flush=True))\n"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as served:
        assert served.stdout is not None
        assert served.stderr is not None
        url = served.stdout.readline().strip()
        headers = {**HEADERS, "Authorization": f"Bearer {SANDBOX_API_KEY}"}
        assert httpx.get(url + ELEMENTS, headers=headers).json()["data"] == []
        served.send_signal(signal.SIGINT)
        served.wait(10)
        assert SANDBOX_API_KEY not in served.stderr.read()
