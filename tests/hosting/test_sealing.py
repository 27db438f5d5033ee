"""A call that asks its caller something may go on at another replica than it began, and nobody can forge its state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from mcp.server.mcpserver import Context
from mcp_types import INVALID_PARAMS, ElicitRequest, ElicitRequestFormParams, InputRequiredResult
from virtual_time import VirtualClock

from hosting.conftest import Serve
from hosting.http_server import TOKEN, House, bearer, kling, message
from kling_mcp.errors import StorageError
from kling_mcp.runtime import Runtime
from kling_mcp.server.http.request_state import RETRY_SECONDS, RequestStateKeys
from kling_mcp.settings import Settings
from kling_mcp.settings.hosting import HostingSettings
from kling_mcp.store.shared_keys import shared_key

pytestmark = pytest.mark.anyio

ANNA, BERT = kling("anna"), kling("bert")
SCHEMA = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}


async def paint(what: str, ctx: Context[Any, Any]) -> str | InputRequiredResult:
    """Asks for a colour; the state says that it has."""
    if ctx.input_responses and ctx.request_state:
        return f"{what}: {ctx.request_state}"
    question = ElicitRequest(params=ElicitRequestFormParams(message="Which colour?", requested_schema=SCHEMA))
    return InputRequiredResult(input_requests={"colour": question}, request_state="asked once")


def with_a_question(house: House) -> House:
    house.app.state.server.add_tool(paint, description="asks")
    return house


async def asked(house: House, who: Mapping[str, str] = ANNA, **arguments: Any) -> str:
    """The state that comes with the question."""
    answer = (await house.post(message("tools/call", first_round(**arguments)), who)).json()
    assert answer["result"]["resultType"] == "input_required"
    return str(answer["result"]["requestState"])


def first_round(**arguments: Any) -> dict[str, Any]:
    return {"name": "paint", "arguments": {"what": "Mia", **arguments}}


async def answered(house: House, state: str, who: Mapping[str, str] = ANNA, **arguments: Any) -> dict[str, Any]:
    """What comes of the answer, sent with a state."""
    reply = {"colour": {"action": "accept", "content": {"colour": "red"}}}
    second = {**first_round(**arguments), "inputResponses": reply, "requestState": state}
    return dict((await house.post(message("tools/call", second), who)).json())


def is_done(answer: Mapping[str, Any]) -> bool:
    """Whether the tool saw its own state; if not, nothing but a refusal was said."""
    if "error" in answer:
        assert answer["error"]["code"] == INVALID_PARAMS
        assert answer["error"]["data"] == {"reason": "invalid_request_state"}
        return False
    assert answer["result"]["content"][0]["text"] == "Mia: asked once"
    return True


async def test_question_of_one_replica_is_answered_at_another(serve: Serve) -> None:
    async with serve() as a, serve() as b:
        state = await asked(with_a_question(a))
        assert is_done(await answered(with_a_question(b), state))
        assert "asked once" not in state


async def test_question_survives_a_restart(serve: Serve) -> None:
    async with serve() as before:
        state = await asked(with_a_question(before))
    async with serve() as after:
        assert is_done(await answered(with_a_question(after), state))


async def test_state_of_another_house_is_refused(serve: Serve, tmp_path: Path) -> None:
    async with serve() as ours, serve(state_dir=tmp_path / "foreign") as theirs:
        assert not is_done(await answered(with_a_question(ours), await asked(with_a_question(theirs))))


async def test_state_that_was_changed_is_refused_at_every_place(serve: Serve) -> None:
    async with serve() as house:
        state = await asked(with_a_question(house))
        for place in range(0, len(state), 7):
            other = "A" if state[place] != "A" else "B"
            assert not is_done(await answered(house, state[:place] + other + state[place + 1 :])), place
        for forged in ("", "v1.", json.dumps({"v": 1, "s": "asked once"}), state + "A", state[:-4]):
            assert not is_done(await answered(house, forged)), forged


async def test_sealed_state_is_valid_for_its_request_alone(serve: Serve) -> None:
    async with serve() as house:
        state = await asked(with_a_question(house))
        assert not is_done(await answered(house, state, what="Leo"))


async def test_sealed_state_is_valid_for_its_kling_account_alone(serve: Serve) -> None:
    """Also where all callers share one token, so that signing in does not tell them apart."""
    async with serve(hosting=HostingSettings(token=TOKEN)) as house:
        anna, bert = {**bearer(), **ANNA}, {**bearer(), **BERT}
        state = await asked(with_a_question(house), anna)
        assert not is_done(await answered(house, state, bert))
        assert not is_done(await answered(house, state, bearer()))
        assert is_done(await answered(house, state, anna))


async def test_caller_without_an_account_can_be_asked_something(serve: Serve) -> None:
    async with serve() as house:
        state = await asked(with_a_question(house), {})
        assert is_done(await answered(house, state, {}))


class Away(Runtime):
    """A server whose state cannot be read for a while."""

    is_away = True

    @property
    def store(self) -> Any:
        if self.is_away:
            raise StorageError("The database cannot be reached.")
        return super().store


async def test_server_whose_state_is_away_serves_and_shares_the_key_later(
    serve: Serve, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as stack:
        house = with_a_question(await stack.enter_async_context(serve(runtime_class=Away)))
        early = await asked(house, {})
        assert is_done(await answered(house, early, {}))
        await clock.sleep(3 * RETRY_SECONDS)
        assert caplog.text.count("encrypted for this process only") == 1
        assert isinstance(house.runtime, Away)
        house.runtime.is_away = False
        await clock.sleep(2 * RETRY_SECONDS)
        assert is_done(await answered(house, early, {})), "a question from before is not lost"
        other = with_a_question(await stack.enter_async_context(serve()))
        assert not is_done(await answered(other, early, {}))
        assert is_done(await answered(other, await asked(house, {}), {}))


async def test_two_replicas_that_begin_at_once_have_one_key(tmp_path: Path, clock: VirtualClock) -> None:
    runtimes = [Runtime(Settings(state_dir=tmp_path), transport="http", clock=clock) for _ in range(2)]
    seals = [RequestStateKeys(runtime) for runtime in runtimes]
    async with seals[0].kept(), seals[1].kept():
        assert seals[1].unseal(seals[0].seal(b"one")) == b"one"
        assert seals[0].unseal(seals[1].seal(b"two")) == b"two"
    keys = [await shared_key(runtime.store, "request-state") for runtime in runtimes]
    assert keys[0] == keys[1]
    for runtime in runtimes:
        await runtime.aclose()
