"""Every named fault, as a client in the same process meets it."""

import math
from collections.abc import Callable
from typing import Any

import anyio
import httpx
import pytest

from kling_mcp.simulator import Faults, SimulatorTransport
from kling_mcp.simulator.faults import FAULT_NAMES
from simulator.box import DELETE, ELEMENTS, HOST, START, Box, data, image_creation, refusal

pytestmark = pytest.mark.anyio


async def test_refuse_connection_lets_nothing_arrive(box: Box) -> None:
    box.faults.refuse_connection(times=2)
    for _ in range(2):
        with pytest.raises(httpx.ConnectError):
            await box.create()
    assert box.world.requests == []
    assert await box.created()


async def test_refuse_connection_may_time_out_after_the_clients_patience(box: Box) -> None:
    box.faults.refuse_connection(timeout=True)
    with pytest.raises(httpx.ConnectTimeout):
        await box.http.get(ELEMENTS, timeout=httpx.Timeout(30, connect=4))
    assert box.clock.now == START + 4
    assert box.world.requests == []


@pytest.mark.parametrize(
    ("ending", "error"),
    [("closed", httpx.RemoteProtocolError), ("reset", httpx.ReadError), ("hang", httpx.ReadTimeout)],
)
@pytest.mark.parametrize("committed", [True, False])
async def test_lose_reply_before_or_after_commit(
    box: Box, ending: Any, error: type[httpx.TransportError], committed: bool
) -> None:
    arm = box.faults.lose_reply_after_commit if committed else box.faults.lose_reply_before_commit
    arm(ending=ending, route="create")
    with pytest.raises(error):
        await box.create(external_task_id="x")
    assert box.clock.now == START + (30 if ending == "hang" else 0)
    record = box.world.requests[0]
    assert (record.committed, record.status, record.code) == (committed, None, None)
    assert box.account_creations() == ({"x": 1} if committed else {})
    # fact: retry-create. The same external id tells the two apart.
    assert (await box.create(external_task_id="x")).status_code == (400 if committed else 200)


async def test_lose_reply_after_create_leaves_other_routes_alone(box: Box) -> None:
    fault = box.faults.lose_reply_after_create()
    assert await box.page() == []
    with pytest.raises(httpx.RemoteProtocolError):
        await box.create()
    assert (fault.used, fault.left) == (1, 0)
    assert len(await box.page()) == 1


async def test_a_lost_reply_to_a_deletion(box: Box) -> None:
    element_id = await box.ready()
    box.faults.lose_reply_after_commit(route="delete")
    with pytest.raises(httpx.RemoteProtocolError):
        await box.delete(element_id)
    assert "already be deleted" in refusal(await box.delete(element_id))[2]  # fact: delete-twice-is-success


@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize("after_commit", [True, False])
async def test_reply_status_is_a_proxys_page(box: Box, status: int, after_commit: bool) -> None:
    box.faults.reply_status(status, after_commit=after_commit)
    reply = await box.create(external_task_id="x")
    assert reply.status_code == status
    assert reply.headers["content-type"].startswith("text/html")
    assert str(status) in reply.text
    assert box.account_creations() == ({"x": 1} if after_commit else {})


async def test_reply_status_can_have_a_chosen_body(box: Box) -> None:
    box.faults.reply_status(429, body="slow down")
    reply = await box.http.get(ELEMENTS)
    assert (reply.status_code, reply.text) == (429, "slow down")


async def test_reply_code_after_the_commit(box: Box) -> None:
    box.faults.reply_code(5002, after_commit=True)
    assert refusal(await box.create(external_task_id="x"))[:2] == (504, 5002)
    assert box.account_creations() == {"x": 1}


async def test_rate_limit_may_say_retry_after(box: Box) -> None:
    box.faults.rate_limit(retry_after="7")
    box.faults.rate_limit()
    first, second = await box.create(), await box.create()
    assert (refusal(first)[:2], first.headers["retry-after"]) == ((429, 1302), "7")
    assert (refusal(second)[:2], second.headers.get("retry-after")) == ((429, 1302), None)
    assert box.account_creations() == {}


def not_json(reply: httpx.Response) -> bool:
    try:
        reply.json()
    except ValueError:
        return True
    return False


@pytest.mark.parametrize(
    ("shape", "is_spoilt"),
    [
        ("html", lambda reply: reply.text.startswith("<html>") and "html" in reply.headers["content-type"]),
        ("empty", lambda reply: reply.content == b""),
        ("truncated", lambda reply: reply.text.startswith('{"code": 0') and not_json(reply)),
        ("array", lambda reply: isinstance(reply.json(), list)),
        ("no-data", lambda reply: "data" not in reply.json()),
        ("null-data", lambda reply: reply.json()["data"] is None),
        ("wrong-data", lambda reply: reply.json()["data"] == "see attachment"),
        ("wrong-fields", lambda reply: reply.json()["data"]["task_id"] == {"id": 1}),
        ("wrong-code", lambda reply: reply.json()["code"] == {"value": 0}),
        ("bad-utf8", lambda reply: b"\xff\xfe" in reply.content),
    ],
)
@pytest.mark.parametrize("after_commit", [True, False])
async def test_malformed_replies_are_spoilt_in_the_chosen_shape(
    box: Box, shape: Any, is_spoilt: Callable[[httpx.Response], bool], after_commit: bool
) -> None:
    box.faults.malformed(shape, after_commit=after_commit)
    reply = await box.create(external_task_id="x")
    assert reply.status_code == 200
    assert is_spoilt(reply)
    assert box.account_creations() == ({"x": 1} if after_commit else {})
    assert box.world.requests[0].code is None


async def test_malformed_rows_and_statuses(box: Box) -> None:
    box.faults.malformed("wrong-fields")
    box.faults.malformed("html", status=500)
    assert (await box.http.get(ELEMENTS)).json()["data"][0]["task_status"] == 7
    assert (await box.http.get(ELEMENTS)).status_code == 500


async def test_redirect_points_to_another_host(box: Box) -> None:
    box.faults.redirect("https://thief.invalid/")
    reply = await box.http.get(ELEMENTS)
    assert (reply.status_code, reply.headers["location"], reply.content) == (307, "https://thief.invalid/", b"")


@pytest.mark.parametrize("after_commit", [True, False])
async def test_delay_within_the_clients_patience(box: Box, after_commit: bool) -> None:
    box.faults.delay(29, after_commit=after_commit)
    created = data(await box.create())["created_at"]
    assert box.clock.now == START + 29
    assert created == (START if after_commit else START + 29) * 1000


async def test_delay_beyond_the_patience_of_the_client_still_commits(box: Box) -> None:
    box.faults.delay(45)
    with pytest.raises(httpx.ReadTimeout):
        await box.create(external_task_id="x")
    assert box.clock.now == START + 30
    assert refusal(await box.query("x"))[1] == 1201
    box.clock.now += 15
    assert data(await box.query("x"))["task_status"] == "submitted"
    assert box.world.requests[0].committed


async def test_delay_after_commit_beyond_the_clients_patience(box: Box) -> None:
    box.faults.delay(45, after_commit=True)
    with pytest.raises(httpx.ReadTimeout):
        await box.create(external_task_id="x")
    assert box.world.requests[0].status is None
    assert box.account_creations() == {"x": 1}


async def test_a_cancelled_client_does_not_stop_a_delayed_creation(box: Box) -> None:
    box.faults.delay(20)
    with anyio.CancelScope() as patience:

        async def sleep(_seconds: float) -> None:
            patience.cancel()
            await anyio.sleep_forever()

        transport = SimulatorTransport(box.world, box.faults, sleep=sleep)
        async with httpx.AsyncClient(transport=transport, base_url=HOST, headers=box.http.headers, timeout=30) as http:
            await http.post(ELEMENTS, json=image_creation(external_task_id="x"))
    assert patience.cancelled_caught
    assert box.account_creations() == {}
    box.clock.now += 20
    assert box.account_creations() == {"x": 1}


async def test_delay_without_a_clients_time_out_takes_its_time(box: Box) -> None:
    box.faults.delay(4000)
    reply = await box.http.get(ELEMENTS, timeout=None)
    assert reply.status_code == 200
    assert box.clock.now == START + 4000


async def test_a_delay_and_a_lost_reply_may_meet(box: Box) -> None:
    box.faults.delay(2)
    box.faults.lose_reply_after_commit()
    with pytest.raises(httpx.RemoteProtocolError):
        await box.create(external_task_id="x")
    assert box.clock.now == START + 2
    assert box.world.requests[0].faults == ["lose_reply_after_commit", "delay"]


async def test_clock_skew_stays_until_it_is_cleared(box: Box) -> None:
    box.faults.clock_skew(3600)
    for _ in range(2):
        assert (await box.http.get(ELEMENTS)).headers["date"] == "Thu, 28 May 2026 21:26:40 GMT"
    box.faults.clear()
    assert (await box.http.get(ELEMENTS)).headers["date"] == "Thu, 28 May 2026 20:26:40 GMT"


async def test_garbage_date_cannot_be_read_or_is_missing(box: Box) -> None:
    box.faults.garbage_date()
    box.faults.garbage_date("")
    assert (await box.http.get(ELEMENTS)).headers["date"] == "yesterday at noon"
    assert "date" not in (await box.http.get(ELEMENTS)).headers


async def test_fail_task_takes_the_next_accepted_creation_only(box: Box) -> None:
    box.faults.fail_task("the picture shows a logo")
    await box.create(element_name="")
    first, second = await box.created(), await box.created()
    box.clock.now += 5
    assert data(await box.query(first))["task_status_msg"] == "the picture shows a logo"
    assert data(await box.query(second))["task_status"] == "succeed"


async def test_slow_task_takes_the_chosen_time_or_for_ever(box: Box) -> None:
    box.faults.slow_task(90)
    box.faults.slow_task(math.inf)
    slow, endless = await box.created(), await box.created()
    box.clock.now += 89
    assert data(await box.query(slow))["task_status"] == "processing"
    box.clock.now += 1
    assert data(await box.query(slow))["task_status"] == "succeed"
    box.clock.now += 1e9
    assert data(await box.query(endless))["task_status"] == "processing"


async def test_limit_parallel_until_a_task_ends(box: Box) -> None:
    box.faults.limit_parallel(2)
    await box.created()
    box.clock.now += 1
    await box.created()
    for _ in range(2):
        assert refusal(await box.create(external_task_id="x"))[:2] == (429, 1303)  # fact: slots-refused
    assert "x" not in box.account_creations()
    box.clock.now += 4
    assert await box.created(external_task_id="x")
    assert refusal(await box.create())[:2] == (429, 1303)
    assert box.world.requests[-1].faults == ["limit_parallel"]


async def test_limit_parallel_counts_each_account_apart_and_a_bad_request_not_at_all() -> None:
    async with Box(api_keys=["an-api-key", "another"]) as box:
        box.faults.limit_parallel(1)
        await box.create(element_name="")
        await box.created()
        reply = await box.http.post(ELEMENTS, json=image_creation(), headers={"Authorization": "Bearer another"})
        assert data(reply)["task_id"]


async def test_the_first_armed_fault_that_fits_is_used_and_only_that(box: Box) -> None:
    box.faults.reply_status(503, route="list")
    box.faults.reply_code(5000, route="create")
    box.faults.reply_code(5001)
    assert refusal(await box.create())[1] == 5000
    assert refusal(await box.create())[1] == 5001
    assert (await box.http.get(ELEMENTS)).status_code == 503
    assert box.faults.armed == []


@pytest.mark.parametrize(
    ("route", "path", "method"),
    [
        ("query", ELEMENTS + "/1", "GET"),
        ("list", ELEMENTS, "GET"),
        ("presets", "/v1/general/advanced-presets-elements", "GET"),
        ("delete", DELETE, "POST"),
        ("create", ELEMENTS, "POST"),
        ("voice-list", "/v1/general/custom-voices", "GET"),
        ("costs", "/account/costs", "GET"),
        ("unknown", "/elsewhere", "GET"),
    ],
)
async def test_a_fault_can_wait_for_one_route(box: Box, route: str, path: str, method: str) -> None:
    box.faults.reply_status(599, times=None, route=route)
    others = {ELEMENTS + "/2": "query", "/v1/general/presets-voices": "voice-presets"}
    for other, name in others.items():
        if name != route:
            assert (await box.http.get(other)).status_code != 599
    for _ in range(3):
        assert (await box.http.request(method, path)).status_code == 599


def test_every_name_can_be_armed_by_name() -> None:
    needed: dict[str, dict[str, object]] = {
        "reply_code": {"code": 5000},
        "delay": {"seconds": 1},
        "clock_skew": {"seconds": 1},
        "slow_task": {"seconds": 1},
        "limit_parallel": {"most": 1},
        "cut_reply": {"after_bytes": 1},
    }
    for name in FAULT_NAMES:
        fault = Faults().arm(name, times=3, **needed.get(name, {}))
        assert fault.left == 3
        assert fault.as_json()["name"] in FAULT_NAMES


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "clear"}, "unknown fault clear"),
        ({"name": "explode"}, "unknown fault explode"),
        ({"name": "delay"}, "delay: .*seconds"),
        ({"name": "delay", "seconds": [1]}, "delay: "),
        ({"name": "delay", "seconds": 1, "colour": "red"}, "delay: .*colour"),
        ({"name": "reply_code", "code": 42}, "42 is not in the vendor's table"),
        ({"name": "malformed", "shape": "round"}, "unknown shape round"),
        ({"name": "redirect", "route": "nowhere"}, "unknown route nowhere"),
        ({"name": "redirect", "times": 0}, "times must be a whole number from 1"),
        ({"name": "redirect", "times": "2"}, "times must be a whole number from 1"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(options: dict[str, Any], said: str) -> None:
    faults = Faults()
    with pytest.raises(ValueError, match=said):
        faults.arm(**options)
    assert faults.armed == []
