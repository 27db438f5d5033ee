"""What a task looks like while it runs and after, in every documented form.

facts: create-reply, record-fields, element-fields
"""

import random
from typing import Any

import pytest

from kling_mcp.simulator import Quirks
from simulator.box import PRESETS, Box, data, element, refusal

pytestmark = pytest.mark.anyio


async def test_time_image_is_five_seconds_from_submitted_to_succeed(box: Box) -> None:
    task = await box.created()
    seen = {}
    for seconds in (0.0, 0.9, 1.0, 4.9, 5.0):
        box.clock.now = 1_780_000_000 + seconds
        record = data(await box.query(task))
        seen[seconds] = (record["task_status"], record["updated_at"] - record["created_at"])
    assert seen == {
        0.0: ("submitted", 0),
        0.9: ("submitted", 0),
        1.0: ("processing", 1000),
        4.9: ("processing", 1000),
        5.0: ("succeed", 5000),
    }


async def test_durations_are_the_callers_choice_and_repeatable() -> None:
    def between(kind: str, rng: random.Random) -> float:
        return rng.uniform(60, 120) if kind == "image_refer" else 0.0

    async def spans() -> list[float]:
        async with Box(durations=between, seed=7) as box:
            for _ in range(3):
                await box.created()
            box.clock.now += 1000
            return [row["updated_at"] - row["created_at"] for row in await box.page()]

    first = await spans()
    assert first == await spans()
    assert all(60_000 <= span <= 120_000 for span in first)
    assert len(set(first)) == 3


async def test_a_task_without_duration_is_finished_in_the_reply() -> None:
    async with Box(durations=lambda _kind, _rng: 0.0) as box:
        assert data(await box.create())["task_status"] == "succeed"


async def test_failed_has_no_code_only_a_message(box: Box) -> None:
    box.faults.fail_task()
    task = await box.created(external_task_id="x")
    box.clock.now += 5
    record = data(await box.query(task))
    assert record["task_status"] == "failed"
    assert record["task_status_msg"] == "Failure to pass the risk control system"  # fact: msg-moderated
    assert record["task_result"] == {}
    assert "code" not in record


async def test_ids_have_the_documented_sizes_and_no_order(box: Box) -> None:
    tasks = [await box.created() for _ in range(12)]
    assert {len(task) for task in tasks} == {18, 19}
    assert tasks != sorted(tasks)
    box.clock.now += 5
    ids = [element(row)["element_id"] for row in await box.page()]
    assert len(set(ids)) == 12
    assert all(isinstance(one, int) and len(str(one)) == 15 for one in ids)  # fact: id-as-string


async def test_id_as_string_is_owed_because_a_float_would_change_the_longer_ones() -> None:
    async with Box(quirks=Quirks(element_id_digits=18)) as box:
        for _ in range(50):
            await box.created()
        box.clock.now += 5
        ids = [element(row)["element_id"] for row in await box.page(pageSize=50)]
        assert len({str(one) for one in ids}) == 50
        assert all(len(str(one)) == 18 and one > 2**53 and int(float(one)) != one for one in ids)


async def test_element_ids_may_be_json_strings() -> None:
    async with Box(quirks=Quirks(element_id_json="string")) as box:
        await box.created()
        box.clock.now += 5
        made = element((await box.page())[0])
        assert isinstance(made["element_id"], str)
        assert element((await box.page(PRESETS, pageSize=54))[-1])["element_id"] == "107"


@pytest.mark.parametrize(
    ("quirk", "field", "value"),
    [
        ({"reference_type_null": True}, "reference_type", None),
        ({"tags": "empty"}, "tag_list", []),
        ({"tags": "ids"}, "tag_list", [{"id": "o_102"}]),
        ({"tags": "full"}, "tag_list", [{"id": "o_102", "name": "Character", "description": "Character"}]),
        ({"no_voice_info": "empty"}, "element_voice_info", {}),
        ({"no_voice_info": "absent"}, "element_voice_info", "absent"),
    ],
)
async def test_an_element_may_look_like_this(quirk: dict[str, Any], field: str, value: object) -> None:
    async with Box(quirks=Quirks(**quirk)) as box:
        task = await box.created(tag_list=[{"tag_id": "o_102"}])
        box.clock.now += 5
        assert element(data(await box.query(task))).get(field, "absent") == value


@pytest.mark.parametrize(
    ("task_info", "running", "finished"),
    [
        ("full", ({"external_task_id": "x"}, {}), {"external_task_id": "x"}),
        ("empty-while-running", ({}, {}), {"external_task_id": "x"}),
        ("missing-while-running", (None, None), {"external_task_id": "x"}),
        ("always-empty", ({}, {}), {}),
    ],
)
async def test_empty_while_running_hides_the_callers_id(
    task_info: Any, running: tuple[object, object], finished: object
) -> None:
    async with Box(quirks=Quirks(task_info=task_info)) as box:
        created = data(await box.create(external_task_id="x"))
        assert created.get("task_info") == running[0]
        record = data(await box.query(created["task_id"]))
        assert (record.get("task_info"), record.get("task_result")) == running
        box.clock.now += 5
        assert data(await box.query(created["task_id"]))["task_info"] == finished


async def test_a_failed_task_keeps_its_result_field_even_if_running_ones_lack_it() -> None:
    async with Box(quirks=Quirks(task_info="missing-while-running")) as box:
        box.faults.fail_task()
        task = await box.created()
        box.clock.now += 5
        assert data(await box.query(task))["task_result"] == {}


async def test_flat_result_has_no_list() -> None:
    async with Box(quirks=Quirks(flat_result=True)) as box:
        task = await box.created()
        box.clock.now += 5
        result = data(await box.query(task))["task_result"]
        assert result["element_name"] == "Mia"
        assert "elements" not in result


async def test_status_words_can_be_replaced() -> None:
    words = {"succeed": "succeeded", "processing": "reviewing"}  # facts: terminal-succeed, status-unknown
    async with Box(quirks=Quirks(status_words=words)) as box:
        task = await box.created()
        box.clock.now += 2
        assert data(await box.query(task))["task_status"] == "reviewing"
        box.clock.now += 5
        record = data(await box.query(task))
        assert record["task_status"] == "succeeded"
        assert element(record)["status"] == "succeed"


async def test_unknown_fields_turn_up_at_every_level() -> None:
    async with Box(quirks=Quirks(extra_fields=True)) as box:
        task = await box.created()
        box.clock.now += 5
        reply = (await box.query(task)).json()
        assert "x_new_field" in reply
        assert "x_new_field" in reply["data"]
        assert "x_new_field" in element(reply["data"])


@pytest.mark.parametrize(("deduction", "value"), [("string", "0"), ("number", 0)])
async def test_create_is_free_as_text_or_number(deduction: Any, value: object) -> None:
    async with Box(quirks=Quirks(deduction=deduction)) as box:
        task = await box.created()
        assert "final_unit_deduction" not in data(await box.query(task))
        box.clock.now += 5
        assert data(await box.query(task))["final_unit_deduction"] == value


async def test_query_takes_task_id_and_never_an_element_id(box: Box) -> None:
    element_id = await box.ready()
    reply = await box.query(element_id)
    said = f"Task not found by id/external id: {element_id}"  # fact: msg-task-not-found
    assert refusal(reply) == (400, 1201, said)


async def test_query_external_id_finds_the_task_even_with_odd_characters(box: Box) -> None:
    task = await box.created(external_task_id="café/1 2")
    assert data(await box.query("caf%C3%A9%2F1%202"))["task_id"] == task


async def test_query_external_id_may_not_work() -> None:
    async with Box(quirks=Quirks(query_by_external_id=False)) as box:
        task = await box.created(external_task_id="x")
        assert refusal(await box.query("x")) == (400, 1201, "Task not found by id/external id: x")
        assert data(await box.query(task))["task_info"] == {"external_task_id": "x"}


async def test_accounts_do_not_see_each_other(box: Box) -> None:
    task = await box.created(external_task_id="x")
    async with Box(api_keys=["an-api-key", "another"]) as both:
        mine = await both.created(external_task_id="x")
        other = {"Authorization": "Bearer another"}
        reply = await both.http.get(f"/v1/general/advanced-custom-elements/{mine}", headers=other)
        assert refusal(reply)[1] == 1201
        assert (await both.http.get("/v1/general/advanced-custom-elements", headers=other)).json()["data"] == []
    assert task
