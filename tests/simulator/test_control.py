"""The simulator's own routes, for people and for tests in other processes."""

from typing import Any

import pytest

from simulator.box import ELEMENTS, Box, refusal

pytestmark = pytest.mark.anyio


async def test_requests_and_state_can_be_looked_at_without_leaving_a_trace() -> None:
    async with Box(control=True) as box:
        await box.created(external_task_id="x")
        (request,) = (await box.http.get("/_simulator/requests")).json()
        assert (request["method"], request["path"], request["credential"]) == ("POST", ELEMENTS, "api-key")
        (account,) = (await box.http.get("/_simulator/state")).json()["accounts"].values()
        assert account["creations"] == {"x": 1}
        assert len(box.world.requests) == 1


async def test_faults_can_be_armed_shown_and_disarmed() -> None:
    async with Box(control=True) as box:
        options = {"name": "reply_code", "code": 5001, "times": 2, "route": "list"}
        armed = await box.http.post("/_simulator/faults", json=options)
        assert (armed.status_code, armed.json()) == (
            201,
            {"name": "reply_code", "route": "list", "left": 2, "used": 0},
        )
        assert refusal(await box.http.get(ELEMENTS))[1] == 5001
        (shown,) = (await box.http.get("/_simulator/faults")).json()
        assert (shown["left"], shown["used"]) == (1, 1)
        assert (await box.http.delete("/_simulator/faults")).status_code == 204
        assert await box.page() == []


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"name": 7}', '{"name": "explode"}'])
async def test_a_fault_that_makes_no_sense_is_explained(body: Any) -> None:
    async with Box(control=True) as box:
        reply = await box.http.post("/_simulator/faults", content=body)
        assert reply.status_code == 400
        assert reply.json()["error"]


async def test_reset_starts_again() -> None:
    async with Box(control=True) as box:
        await box.created()
        box.faults.reply_status(502, times=None)
        assert (await box.http.post("/_simulator/reset")).status_code == 204
        assert await box.page() == []
