"""A person is asked before a paid call spends anything, also where the call has become a task meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from helpers import API_KEY, last_line, structured
from mcp_types import CallToolResult, ElicitResult

from kling_mcp.server.mcp_tasks.extension import GRACE_SECONDS
from mcp_tasks.client import TaskCreated, ask, call, get, handle_of, until

if TYPE_CHECKING:
    from kling_mcp.simulator import Faults, World
    from mcp_tasks.conftest import Start

pytestmark = pytest.mark.anyio

MIA = {"prompt": "@Mia waves"}
YES = {"action": "accept", "content": {"agree": True}}


async def asking(_: Any, __: Any) -> ElicitResult:
    """Only says that the client can ask; a question of a task comes in tasks/get."""
    raise NotImplementedError


@pytest.fixture(autouse=True)
async def _mia(world: World, faults: Faults) -> None:
    """Looking Mia up takes longer than a call may take before it becomes a task."""
    world.durations = lambda _kind, _rng: 40.0
    world.add_element(world.account_of(API_KEY), "Mia")
    faults.delay(5, route="list")


async def question_of(client: Any, task_id: str) -> tuple[str, str]:
    """The key and the text of the open question."""
    task = await until(client, task_id, "input_required")
    assert task["status"] == "input_required", task
    ((key, request),) = task["inputRequests"].items()
    return key, request["params"]["message"]


async def test_task_asks_and_goes_on_with_the_answer(start: Start, world: World) -> None:
    async with start(elicitation=asking) as client:
        handle = await handle_of(client, "generate_video", MIA)
        key, message = await question_of(client, handle)
        assert message.startswith("Make this video for 3 video units")
        assert not world.accepted_creations()
        await ask(client, "tasks/update", handle, inputResponses={key: YES})
        ended = await until(client, handle)
    assert structured(CallToolResult.model_validate(ended["result"]))["files"]
    assert sum(world.accepted_creations().values()) == 1


@pytest.mark.parametrize(("seconds", "text"), [(5, "declined"), (0, "max_units=3")])
async def test_task_whose_question_is_declined_sends_nothing(
    start: Start, world: World, seconds: float, text: str
) -> None:
    async with start(elicitation=asking) as client:
        handle = await handle_of(client, "generate_video", MIA)
        await anyio.sleep(5.1 - GRACE_SECONDS)  # the list has come, and the question with it
        (key,) = (await get(client, handle))["inputRequests"]
        await anyio.sleep(seconds)
        await ask(client, "tasks/update", handle, inputResponses={key: {"action": "decline"}})
        ended = await until(client, handle)
    result = CallToolResult.model_validate(ended["result"])
    assert last_line(result)["kind"] == "needs_confirmation"
    assert text in str(result.content)
    assert not world.accepted_creations()


async def test_task_that_is_never_answered_ends_without_spending(start: Start, world: World) -> None:
    async with start(elicitation=asking) as client:
        handle = await handle_of(client, "generate_video", MIA)
        await question_of(client, handle)
        await anyio.sleep(1000)
        ended = await until(client, handle)
    assert last_line(CallToolResult.model_validate(ended["result"]))["kind"] == "needs_confirmation"
    assert not world.accepted_creations()


async def test_task_of_a_client_that_cannot_ask_needs_a_repeat_with_max_units(
    start: Start, world: World, faults: Faults
) -> None:
    async with start() as client:
        ended = await until(client, await handle_of(client, "generate_video", MIA))
        assert last_line(CallToolResult.model_validate(ended["result"]))["kind"] == "needs_confirmation"
        assert not world.accepted_creations()
        handle = await call(client, "generate_video", MIA | {"max_units": 3})
        assert isinstance(handle, TaskCreated)
        ended = await until(client, handle.task_id)
    assert structured(CallToolResult.model_validate(ended["result"]))["files"]
    assert sum(world.accepted_creations().values()) == 1


async def test_generation_is_followed_by_the_next_server(start: Start, world: World, faults: Faults) -> None:
    faults.clear()
    async with start() as client:
        handle = await handle_of(client, "generate_video", MIA | {"max_units": 3})
        await anyio.sleep(10)
        assert sum(world.accepted_creations().values()) == 1
    async with start() as client:
        ended = await until(client, handle)
    view = structured(CallToolResult.model_validate(ended["result"]))
    assert (view["task_status"], view["outcome"], view["units_estimated"]) == ("succeed", "recovered", "3")
    assert view["files"][0]["path"]
    assert sum(world.accepted_creations().values()) == 1


async def test_question_that_was_lost_with_its_server_has_spent_nothing(start: Start, world: World) -> None:
    async with start(elicitation=asking) as client:
        handle = await handle_of(client, "generate_video", MIA)
        await question_of(client, handle)
    async with start(elicitation=asking) as client:
        ended = await until(client, handle)
    assert last_line(CallToolResult.model_validate(ended["result"]))["created"] == "no"
    assert not world.accepted_creations()
