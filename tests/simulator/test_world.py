"""The world without HTTP: seeding, records of requests, starting again, and its independence."""

import ast
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from repository_files import nodes_of

from kling_mcp import simulator as kling_in_a_box
from simulator.box import ELEMENTS, START, Box, as_base64, data, element, images, picture_bytes

pytestmark = pytest.mark.anyio
FOLDER = Path(kling_in_a_box.__file__).parent


async def test_the_record_of_a_request_proves_what_was_sent(box: Box) -> None:
    front, side = picture_bytes(), picture_bytes(400, 300)
    reply = await box.create(
        element_image_list=images(as_base64(front), "https://example.com/b.png", as_base64(side)),
        external_task_id="x",
    )
    (record,) = box.world.requests
    sent = reply.request.content
    assert (record.method, record.path, record.route) == ("POST", ELEMENTS, "create")
    assert (record.body_bytes, record.body_sha256) == (len(sent), sha256(sent).hexdigest())
    assert record.picture_sha256 == (sha256(front).hexdigest(), sha256(side).hexdigest())
    assert (record.time, record.committed, record.status, record.code) == (START, True, 200, 0)
    assert record.headers["content-type"] == "application/json"
    assert record.account in box.world.accounts


async def test_only_the_newest_requests_are_kept() -> None:
    async with Box(keep_requests=3) as box:
        for number in range(7):
            await box.query(str(number))
        assert [record.path.rpartition("/")[2] for record in box.world.requests] == ["4", "5", "6"]


async def test_seeded_elements_are_there_in_every_state(box: Box) -> None:
    account = box.world.account_of("an-api-key")
    voice = box.world.add_voice(account, "Low voice", created_at=START - 100)
    box.world.add_element(account, "ready", tags=("o_103",), voice_id=voice.voice_id, created_at=START - 90)
    box.world.add_element(account, "gone", status="deleted")
    box.world.add_element(account, "bad", status="failed", external_task_id="seeded")
    box.world.add_element(account, "video", reference_type="video_refer", status="pending")
    video, bad, gone, ready = await box.page()
    assert (video["task_status"], bad["task_status"]) == ("processing", "failed")
    assert element(gone)["status"] == "deleted"
    assert element(ready)["tag_list"][0]["name"] == "Animal"
    assert element(ready)["element_voice_info"]["voice_id"] == voice.voice_id
    assert ready["created_at"] == (START - 90) * 1000
    assert data(await box.query("seeded"))["task_id"] == bad["task_id"]
    assert box.account_creations() == {}
    box.clock.now += 20
    made = element(data(await box.query(video["task_id"])))
    assert made["element_video_list"]["refer_videos"][0]["video_url"].endswith(".mp4")
    assert made["element_image_list"] == {}


async def test_state_counts_what_there_is_per_account(box: Box) -> None:
    await box.ready(external_task_id="x")
    await box.delete(await box.ready())
    await box.created(external_task_id="y")
    box.world.add_voice("studio", "Low voice")
    state = box.world.state()
    assert (state["time"], state["requests"]) == (box.clock.now, 6)
    accounts = state["accounts"]
    assert isinstance(accounts, dict)
    assert accounts.pop("studio")["voices"] == 1
    assert list(accounts.values()) == [
        {
            "tasks": {"succeed": 2, "submitted": 1},
            "elements": {"ready": 1, "deleted": 1},
            "voices": 0,
            "generations": {},
            "units": {"video": "0"},
            "creations": {"x": 1, "": 1, "y": 1},
        }
    ]


async def test_reset_forgets_everything_but_who_may_come_in(box: Box) -> None:
    await box.ready()
    box.world.reset()
    assert (box.world.requests, box.world.accounts) == ([], {})
    assert await box.page() == []


async def test_late_work_is_done_in_the_order_in_which_it_is_due(box: Box) -> None:
    done: list[str] = []
    box.world.defer(START + 2, lambda: done.append("second"))
    box.world.defer(START + 1, lambda: done.append("first"))
    box.world.defer(START + 3, lambda: done.append("third"))
    box.world.settle()
    assert done == []
    box.clock.now += 2
    await box.page()
    assert done == ["first", "second"]


def test_importing_the_simulator_is_cheap() -> None:
    heavy = {"httpx", "uvicorn", "starlette", "anyio", "PIL", "mcp", "pydantic"}
    probe = f"import sys, kling_mcp.simulator; print(sorted({heavy!r} & set(sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=FOLDER.parents[1]
    )
    assert ran.stdout.strip() == "[]"


def test_public_names_load_on_first_use_and_no_others() -> None:
    for name in kling_in_a_box.__all__:
        assert getattr(kling_in_a_box, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        kling_in_a_box.nothing  # type: ignore[attr-defined]  # noqa: B018 - asking is the test


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.name)
def test_the_simulator_is_an_independent_reading_of_the_facts(path: Path) -> None:
    imported = {
        name
        for node in nodes_of(path)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names])
    }
    ours = {name for name in imported if name.partition(".")[0] == "kling_mcp"}
    assert all(name.startswith("kling_mcp.simulator") for name in ours)
    assert "httpx" not in imported or path.name == "transport.py"
