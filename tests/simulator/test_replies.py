"""The envelope, the whole table of codes, and routes that do not exist. facts: envelope, code-table"""

import pytest

from kling_mcp.simulator import Quirks
from kling_mcp.simulator.codes import CODES
from simulator.box import DELETE, ELEMENTS, Box, data, refusal

pytestmark = pytest.mark.anyio

# The vendor's full list, written down a second time. fact: code-table
STATUS_BY_CODE = {
    **dict.fromkeys((1000, 1001, 1002, 1003, 1004), 401),
    **dict.fromkeys((1100, 1101, 1102, 1302, 1303, 1304), 429),
    **dict.fromkeys((1200, 1201, 1300, 1301), 400),
    **dict.fromkeys((1202, 1203), 404),
    1103: 403,
    5000: 500,
    5001: 503,
    5002: 504,
}


async def test_the_table_holds_every_code_of_the_vendor() -> None:
    assert {code: row.http_status for code, row in CODES.items()} == STATUS_BY_CODE


@pytest.mark.parametrize("code", STATUS_BY_CODE)
async def test_every_code_can_be_answered_with_its_http_status(box: Box, code: int) -> None:
    box.faults.reply_code(code)
    status, said, message = refusal(await box.create(external_task_id="x"))
    assert (status, said) == (STATUS_BY_CODE[code], code)
    assert message
    assert box.account_creations() == {}
    assert await box.created(external_task_id="x")


@pytest.mark.parametrize(
    ("code", "said"),
    [(1102, "Account balance not enough"), (1303, "parallel task over resource pack limit")],
)
async def test_observed_texts_come_with_their_codes(box: Box, code: int, said: str) -> None:
    box.faults.reply_code(code)  # facts: msg-no-pack, msg-parallel
    assert refusal(await box.create())[2] == said


async def test_envelope_http_a_refusal_may_come_with_http_200(box: Box) -> None:
    box.faults.reply_code(1301, http_status=200, message="said no")
    assert refusal(await box.create()) == (200, 1301, "said no")
    box.world.quirks = Quirks(refusals_on_http_200=True)
    assert refusal(await box.query("1"))[:2] == (200, 1201)


async def test_envelope_code_200_is_success_too() -> None:
    async with Box(quirks=Quirks(success_code=200)) as box:
        assert (await box.create()).json()["code"] == 200
        assert box.world.requests[0].code == 200


async def test_envelope_of_success(box: Box) -> None:
    first, second = (await box.http.get(ELEMENTS)).json(), (await box.http.get(ELEMENTS)).json()
    assert (first["code"], first["message"], first["data"]) == (0, "SUCCEED", [])
    assert first["request_id"] != second["request_id"]


async def test_envelope_no_data_errors_lack_it_or_hold_null(box: Box) -> None:
    assert "data" not in (await box.query("1")).json()
    box.world.quirks = Quirks(error_data="null")
    assert (await box.query("1")).json()["data"] is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", ELEMENTS),
        ("OPTIONS", ELEMENTS),
        ("GET", DELETE),
        ("DELETE", ELEMENTS + "/1"),
        ("POST", ELEMENTS + "/1"),
        ("GET", ELEMENTS + "/"),
        ("GET", "/v1/account/costs"),  # fact: costs, with /v1 it is 404
        ("GET", "/_simulator/state"),  # control routes exist only when asked for
        ("GET", "/"),
    ],
)
async def test_a_route_that_does_not_exist_is_404_with_1202(box: Box, method: str, path: str) -> None:
    reply = await box.http.request(method, path)
    assert refusal(reply) == (404, 1202, "The requested method is invalid")
    assert box.world.requests[0].route == "unknown"


async def test_every_reply_has_the_date_of_the_worlds_clock(box: Box) -> None:
    assert (await box.http.get(ELEMENTS)).headers["date"] == "Thu, 28 May 2026 20:26:40 GMT"
    box.clock.now += 3600
    assert (await box.query("1")).headers["date"] == "Thu, 28 May 2026 21:26:40 GMT"


async def test_a_name_that_is_half_a_character_does_not_break_the_reply(box: Box) -> None:
    body = b'{"element_name": "\\ud83d", "element_description": "d", "reference_type": "video_refer",'
    body += b'"element_video_list": {"refer_videos": [{"video_url": "https://example.com/a.mp4"}]}}'
    task = data(await box.http.post(ELEMENTS, content=body))["task_id"]
    box.clock.now += 20
    assert data(await box.query(task))["task_result"]["elements"][0]["element_name"] == "?"


async def test_costs_double_envelope(box: Box) -> None:
    span = {"start_time": "1779000000000", "end_time": "1781000000000"}
    inner = data(await box.http.get("/account/costs", params=span))
    assert inner["code"] == 0
    packs = inner["resource_pack_subscribe_infos"]
    assert [pack["resource_pack_type"] for pack in packs] == ["decreasing_total"] * 2  # fact: costs-pack
    assert [pack["status"] for pack in packs] == ["online"] * 2
    assert refusal(await box.http.get("/account/costs", params=span)) == (429, 1302, "Request rate exceeded")
    box.clock.now += 1
    one = {**span, "resource_pack_name": packs[0]["resource_pack_name"]}
    assert data(await box.http.get("/account/costs", params=one))["resource_pack_subscribe_infos"] == packs[:1]
    box.clock.now += 1
    other = {**span, "resource_pack_name": "Another"}
    assert data(await box.http.get("/account/costs", params=other))["resource_pack_subscribe_infos"] == []
    assert refusal(await box.http.get("/account/costs"))[:2] == (400, 1201)
