"""Prices, packs, slots and the ledger. facts: price-table, price-rule, gen-billed-at-end, gen-slots"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from kling_mcp.simulator import Pack, Quirks
from simulator.box import KEY, START, VOICES, Box, data, refusal
from simulator.generation_box import (
    BASE,
    BODIES,
    FEATURE,
    FRAME,
    FROM_IMAGE,
    FROM_TEXT,
    GENERATIONS,
    MOTION,
    O1,
    OLD_IMAGE,
    OLD_MOTION,
    OLD_OMNI,
    OLD_TEXT,
    OMNI,
    OMNI_IMAGE,
    TURBO_TEXT,
    finished,
    make,
    new_body,
    own_element,
    person,
    tasks,
)

pytestmark = pytest.mark.anyio
LEDGER = "/account/billing/package"
CASH_LEDGER = "/account/billing/balance"
RATIO = {"aspect_ratio": "16:9"}
SPAN = {"start_time": round(START * 1000) - 1, "end_time": round(START * 1000) + 10**9}


def text_body(**settings: Any) -> dict[str, Any]:
    return {"prompt": "x", "settings": settings}


def older(path: str, **changes: Any) -> dict[str, Any]:
    return {**BODIES[path], **changes}


def motion(resolution: str) -> dict[str, Any]:
    body = BODIES[MOTION]
    return {**body, "settings": {**body["settings"], "resolution": resolution}}


# Every cell of the vendor's table, and the same on older routes: units.
PRICES: list[tuple[str, dict[str, Any], str]] = [
    (TURBO_TEXT, text_body(duration=3), "2.4"),
    (TURBO_TEXT, text_body(duration=5, resolution="1080p"), "5.0"),
    (FROM_TEXT, text_body(duration=10), "6.0"),
    (FROM_TEXT, text_body(duration=10, resolution="1080p"), "8.0"),
    (FROM_TEXT, text_body(duration=10, resolution="4k"), "30"),
    (FROM_TEXT, text_body(duration=10, audio="native"), "9.0"),
    (FROM_TEXT, text_body(duration=10, audio="native", resolution="1080p"), "12.0"),
    (FROM_TEXT, text_body(duration=10, audio="native", resolution="4k"), "30"),
    (FROM_IMAGE, new_body(FRAME, duration=15), "9.0"),
    (OMNI, new_body(**RATIO), "3.0"),
    (OMNI, new_body(**RATIO, resolution="1080p"), "4.0"),
    (OMNI, new_body(**RATIO, resolution="4k"), "15"),
    (OMNI, new_body(**RATIO, audio="native"), "4.0"),
    (OMNI, new_body(**RATIO, audio="native", resolution="1080p"), "5.0"),
    (OMNI, new_body(**RATIO, audio="native", resolution="4k"), "15"),
    (OMNI, new_body(FEATURE, **RATIO, duration=10), "9.0"),
    (OMNI, new_body(FEATURE, **RATIO, resolution="1080p", duration=10), "12.0"),
    (OMNI, new_body(FEATURE, **RATIO, resolution="4k", duration=10), "30"),
    (OMNI, new_body(BASE), "4.5"),
    (O1, new_body(**RATIO, duration=10), "6.0"),
    (O1, new_body(**RATIO, duration=10, resolution="1080p"), "8.0"),
    (O1, new_body(FEATURE, **RATIO), "4.5"),
    (O1, new_body(FEATURE, **RATIO, resolution="1080p"), "6.0"),
    (MOTION, motion("720p"), "4.5"),
    (MOTION, motion("1080p"), "6.0"),
    (OLD_OMNI, older(OLD_OMNI, mode="std", duration="10"), "6.0"),
    (OLD_OMNI, older(OLD_OMNI, duration="10"), "8.0"),
    (OLD_OMNI, older(OLD_OMNI, mode="4k", sound="on"), "15"),
    (OLD_OMNI, older(OLD_OMNI, sound="on"), "5.0"),
    (OLD_TEXT, older(OLD_TEXT, mode="std", sound="on"), "4.5"),
    (OLD_IMAGE, older(OLD_IMAGE, mode="pro", sound="on"), "6.0"),
    (OLD_MOTION, older(OLD_MOTION, mode="std"), "4.5"),
    (OMNI_IMAGE, older(OMNI_IMAGE), "8"),
    (OMNI_IMAGE, older(OMNI_IMAGE, n=9, resolution="2k"), "72"),
    (OMNI_IMAGE, older(OMNI_IMAGE, n=2, resolution="4k"), "32"),
    (OMNI_IMAGE, older(OMNI_IMAGE, result_type="series"), "32"),
    (OMNI_IMAGE, older(OMNI_IMAGE, model_name="kling-image-o1", n=3), "24"),
    (GENERATIONS, older(GENERATIONS, n=2), "16"),
]


@pytest.mark.parametrize(("path", "body", "units"), PRICES)
async def test_price_is_that_of_the_table_wherever_it_is_shown(
    box: Box, path: str, body: dict[str, Any], units: str
) -> None:
    """Facts: tasks-outputs, tasks-billing-fields, gen-billed-request."""
    row = await finished(box, path, body)
    kind = "image" if "/images/" in path else "video"
    (bill,) = row["billing"]
    assert (bill["charge_type"], bill["package_type"]) == ("unit", kind)
    assert Decimal(bill["amount"]) == Decimal(units)
    (spent,) = await ledger(box)
    assert spent["deduction_amount"] == float(units)
    assert await units_left(box) == {"video": 1e6, "image": 1e6} | {kind: 1e6 - float(units)}
    if path.startswith("/v1/"):
        assert Decimal(data(await box.query(row["id"], path))["final_unit_deduction"]) == Decimal(units)


async def ledger(box: Box, **changes: Any) -> list[dict[str, Any]]:
    """The rows of the ledger."""
    rows = data(await box.http.post(LEDGER, json={**SPAN, **changes}))["result"]["detail"]
    assert isinstance(rows, list)
    return rows


async def units_left(box: Box) -> dict[str, float]:
    """What `/account/costs` says, by type; it may be asked once a second."""
    box.clock.now += 1
    packs = data(await box.http.get("/account/costs", params=SPAN))["resource_pack_subscribe_infos"]
    return {"video" if "Video" in pack["resource_pack_name"] else "image": pack["remaining_quantity"] for pack in packs}


async def test_bound_voice_with_native_audio_has_a_price_of_its_own(box: Box) -> None:
    voice = box.world.add_voice(box.world.account_of(KEY), "Low voice")
    rows = [FRAME, person(own_element(box, voice_id=voice.voice_id).element_id)]
    sounding = {"audio": "native"}
    for settings, units in (({}, "3"), (sounding, "5.5"), (sounding | {"resolution": "1080p"}, "7")):
        row = await finished(box, FROM_IMAGE, new_body(*rows, prompt="@mia", **settings))
        assert Decimal(row["billing"][0]["amount"]) == Decimal(units)


@pytest.mark.parametrize(("as_video", "units"), [(False, "3.0"), (True, "4.5")])
async def test_price_video_element_is_open(as_video: bool, units: str) -> None:
    """Fact: price-video-element."""
    async with Box(quirks=Quirks(video_element_costs_as_video=as_video)) as box:
        rows = [person(own_element(box, "video_refer").element_id)]
        row = await finished(box, OMNI, new_body(*rows, prompt="@mia", **RATIO))
        assert Decimal(row["billing"][0]["amount"]) == Decimal(units)


@pytest.mark.parametrize(("bills", "units"), [(False, 0.0), (True, 3.0)])
async def test_price_failed_unknown_so_a_quirk_decides(bills: bool, units: float) -> None:
    """Fact: price-failed-unknown."""
    async with Box(quirks=Quirks(bill_failed=bills)) as box:
        box.faults.fail_task()
        row = await finished(box, OMNI)
        assert (row["status"], float(row["billing"][0]["amount"])) == ("failed", units)
        assert [spent["deduction_amount"] for spent in await ledger(box)] == [units]


async def test_units_are_taken_when_a_task_completes_and_shown_at_once(box: Box) -> None:
    """Facts: costs-at-once, gen-billed-at-end."""
    task_id = await make(box, OMNI)
    (row,) = await tasks(box, task_id)
    assert (row["billing"], row["outputs"], await ledger(box)) == ([], [], [])
    assert (await units_left(box))["video"] == 1e6
    box.clock.now += 84
    assert (await units_left(box))["video"] == 1e6 - 3


async def test_ledger_row_fields_of_a_clip_a_picture_an_element_and_a_voice(box: Box) -> None:
    """Facts: ledger-row-fields, ledger-package, ledger-lists-elements, voice-cost."""
    element_id = await box.created()
    voice = {"voice_name": "V", "voice_url": "https://example.com/a.mp3"}
    voice_id = data(await box.http.post(VOICES, json=voice))["task_id"]
    box.clock.now += 20
    picture_id = await make(box, OMNI_IMAGE)
    box.clock.now += 40
    clip_id = await make(box, OMNI, new_body(FEATURE, **RATIO, resolution="1080p"))
    box.clock.now += 1000
    clip, picture, spoken, element = await ledger(box)
    assert [row["task_id"] for row in (clip, picture, spoken, element)] == [clip_id, picture_id, voice_id, element_id]
    assert [row["product_type"] for row in (clip, picture, spoken, element)] == ["video", "image", "video", "video"]
    assert [row["deduction_amount"] for row in (clip, picture, spoken, element)] == [6.0, 8.0, 0.05, 0.0]
    assert clip == {
        "package_id": clip["package_id"],
        "product_type": "video",
        "task_id": clip_id,
        "api_key_name": "simulated key",
        "product_function": "Omni Video",
        "model_name": "kling-3.0-omni",
        "resolution": "1080p",
        "duration": "5.04",
        "refer_video_input": True,
        "video_sound": "off",
        "voice_control": False,
        "deduction_time": clip["deduction_time"],
        "unit_before_deduction": 999999.95,
        "deduction_amount": 6.0,
        "unit_after_deduction": 999993.95,
    }
    assert int(clip["deduction_time"]) == (await tasks(box, clip_id))[0]["update_time"]
    assert (picture["model_name"], picture["resolution"], "duration" in picture) == ("kling-v3-omni", "1k", False)
    record = data(await box.query(voice_id, VOICES))
    assert record["final_unit_deduction"] == "0.05"


async def test_ledger_filters_and_pages_by_cursor(box: Box) -> None:
    for _ in range(3):
        await finished(box, OMNI)
        await finished(box, GENERATIONS)
    only = [{"key": "product_type", "values": ["image"]}]
    assert {row["product_type"] for row in await ledger(box, filters=only)} == {"image"}
    assert len(await ledger(box, filters=[{"key": "package_name", "values": []}])) == 6
    assert await ledger(box, filters=[{"key": "package_id", "values": ["another"]}]) == []
    first = data(await box.http.post(LEDGER, json={**SPAN, "limit": 4}))
    assert (first["result"]["count"], first["has_more"]) == (4, True)
    second = data(await box.http.post(LEDGER, json={"cursor": first["next_cursor"]}))
    assert (second["result"]["count"], second["has_more"], second["next_cursor"]) == (2, False, "")
    ids = {row["task_id"] for page in (first, second) for row in page["result"]["detail"]}
    assert len(ids) == 6


@pytest.mark.parametrize(
    "changes",
    [
        {"start_time": None},
        {"start_time": SPAN["end_time"]},
        {"limit": 501},
        {"cursor": "nonsense"},
        {"filters": [{"key": "colour", "values": []}]},
        {"filters": [{"key": "product_type"}]},
        {"filter": []},
    ],
)
async def test_ledger_refuses_what_it_cannot_read(box: Box, changes: dict[str, Any]) -> None:
    assert refusal(await box.http.post(LEDGER, json={**SPAN, **changes}))[1] == 1201


@pytest.mark.parametrize(("path", "other"), [(OMNI, "image"), (OLD_TEXT, "image"), (OMNI_IMAGE, "video")])
async def test_msg_no_pack_of_that_type_or_too_little_in_it(path: str, other: Any) -> None:
    """Fact: msg-no-pack."""
    kind: Any = "video" if other == "image" else "image"
    enough = 3 if path == OMNI else 4 if kind == "video" else 8
    for packs, code in (
        ([], 1102),
        ([Pack(other)], 1102),
        ([Pack(kind, enough - 1)], 1102),
        ([Pack(kind, enough)], 0),
        ([Pack(kind, enough - 1), Pack(kind, 1)], 0),
    ):
        async with Box(packs=packs) as box:
            reply = await box.http.post(path, json=BODIES[path])
            assert reply.json()["code"] == code
            if code:
                assert refusal(reply) == (429, 1102, "Account balance not enough")
                assert box.account_creations() == {}


async def test_voice_needs_a_pack_and_an_element_none() -> None:
    """Facts: voice-cost, create-is-free."""
    async with Box(packs=[]) as box:
        voice = {"voice_name": "V", "voice_url": "https://example.com/a.mp3"}
        assert refusal(await box.http.post(VOICES, json=voice))[1] == 1102
        assert await box.ready()
        assert await ledger(box) == []


async def test_pack_that_is_reserved_or_used_up_pays_for_nothing_more() -> None:
    async with Box(packs=[Pack("video", 3)]) as box:
        await make(box, OMNI)
        assert refusal(await box.http.post(OMNI, json=BODIES[OMNI]))[1] == 1102
        box.clock.now += 84
        assert refusal(await box.http.post(OMNI, json=BODIES[OMNI]))[1] == 1102
        (pack,) = data(await box.http.get("/account/costs", params=SPAN))["resource_pack_subscribe_infos"]
        assert (pack["remaining_quantity"], pack["status"]) == (0.0, "runOut")  # fact: costs-pack


async def test_video_holds_one_slot_of_its_model_until_it_ends() -> None:
    """Facts: gen-slots, slots, slots-size, slots-refused, msg-parallel."""
    async with Box(packs=[Pack("video", concurrency=1), Pack("video", concurrency=2), Pack("image")]) as box:
        for _ in range(2):
            await make(box, OMNI)
        reply = await box.http.post(OMNI, json=BODIES[OMNI])
        assert refusal(reply) == (429, 1303, "parallel task over resource pack limit")
        await make(box, FROM_TEXT)  # another model
        await make(box, OMNI_IMAGE)  # another type
        assert len(box.account_creations()) == 1
        box.clock.now += 84
        assert await make(box, OMNI)


async def test_picture_task_holds_a_slot_for_each_picture() -> None:
    async with Box(packs=[Pack("image", concurrency=9)]) as box:
        await make(box, OMNI_IMAGE, older(OMNI_IMAGE, n=5))
        assert refusal(await box.http.post(OMNI_IMAGE, json=older(OMNI_IMAGE, n=5)))[1] == 1303
        assert await make(box, OMNI_IMAGE, older(OMNI_IMAGE, n=4))


async def test_refused_task_costs_and_holds_nothing() -> None:
    async with Box(packs=[Pack("video", 1000, concurrency=1)]) as box:
        await make(box, OMNI)
        for _ in range(3):
            assert refusal(await box.http.post(OMNI, json=BODIES[OMNI]))[1] == 1303
        box.clock.now += 84
        assert len(await ledger(box)) == 1
        assert await make(box, OMNI)


async def test_limit_parallel_counts_the_slots_of_generations_and_elements(box: Box) -> None:
    box.faults.limit_parallel(3)
    await box.created()
    await make(box, OMNI)
    assert refusal(await box.http.post(OMNI_IMAGE, json=older(OMNI_IMAGE, n=2)))[1] == 1303
    await make(box, OMNI_IMAGE)
    assert refusal(await box.create())[1] == 1303


async def test_pack_names_tell_how_many_run_at_once() -> None:
    async with Box(packs=[Pack("video", 100, 5)]) as box:
        (pack,) = data(await box.http.get("/account/costs", params=SPAN))["resource_pack_subscribe_infos"]
        assert "-5Con-" in pack["resource_pack_name"]
        assert (pack["total_quantity"], pack["remaining_quantity"]) == (100.0, 100.0)


async def test_reset_gives_every_account_full_packs(box: Box) -> None:
    await finished(box, OMNI)
    box.world.reset()
    assert (await ledger(box), await units_left(box)) == ([], {"video": 1e6, "image": 1e6})


async def test_cash_pays_where_there_is_no_pack_and_has_a_ledger_of_its_own() -> None:
    """Facts: ledger-package, ledger-cash-fields, price-rule."""
    async with Box(packs=[Pack("image")], cash=1) as box:
        clip_id = await make(box, OMNI)
        await make(box, OMNI_IMAGE)
        assert await make(box, OMNI)
        assert refusal(await box.http.post(OMNI, json=BODIES[OMNI]))[1] == 1102  # 84 cents of the dollar are reserved
        box.clock.now += 84
        rows = data(await box.http.post(CASH_LEDGER, json=SPAN))["result"]["detail"]
        assert len(rows) == 2
        assert rows[1].items() >= {"task_id": clip_id, "currency": "USD", "deduction_amount": 0.42}.items()
        assert rows[1]["balance_after_deduction"] == rows[0]["balance_before_deduction"]
        assert [row["product_type"] for row in await ledger(box)] == ["image"]


async def test_pack_that_has_ended_pays_for_nothing_more() -> None:
    """Fact: costs-pack."""
    async with Box(packs=[Pack("video", days=1)]) as box:
        await make(box, OMNI)
        box.clock.now += 86_400
        assert refusal(await box.http.post(OMNI, json=BODIES[OMNI]))[1] == 1102
        (pack,) = data(await box.http.get("/account/costs", params=SPAN))["resource_pack_subscribe_infos"]
        assert (pack["status"], pack["invalid_time"] - pack["purchase_time"]) == ("expired", 86_400_000)
