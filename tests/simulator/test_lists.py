"""Lists of tasks without a total, in no promised order. facts: list-shape, list-no-total, list-order-unknown"""

from typing import Any, Literal

import pytest

from kling_mcp.simulator import Quirks
from simulator.box import ELEMENTS, PRESETS, VOICES, Box, element, refusal

pytestmark = pytest.mark.anyio


async def test_an_empty_account_gives_an_empty_list(box: Box) -> None:
    assert await box.page() == []


async def test_list_no_total_pages_end_short_or_empty(box: Box) -> None:
    for number in range(65):
        box.world.add_element(box.world.account_of("an-api-key"), f"n{number}")
    pages = [await box.page(pageNum=number) for number in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [30, 30, 5, 0]
    names = [element(row)["element_name"] for page in pages for row in page]
    assert names == [f"n{number}" for number in reversed(range(65))]
    assert set((await box.http.get(ELEMENTS)).json()) == {"code", "message", "request_id", "data"}


async def test_list_is_tasks_with_running_and_failed_rows(box: Box) -> None:
    await box.ready()
    box.faults.fail_task()
    await box.created()
    box.clock.now += 5
    await box.created()
    rows = await box.page()
    assert [row["task_status"] for row in rows] == ["submitted", "failed", "succeed"]
    assert rows[0]["task_result"] == rows[1]["task_result"] == {}


async def test_list_shows_deleted(box: Box) -> None:
    element_id = await box.ready()
    await box.delete(element_id)
    (row,) = await box.page()
    assert row["task_status"] == "succeed"
    assert element(row)["status"] == "deleted"


async def test_rows_of_running_tasks_and_deleted_elements_may_be_missing() -> None:
    async with Box(quirks=Quirks(list_running=False, list_deleted=False)) as box:
        account = box.world.account_of("an-api-key")
        for number in range(10):
            box.world.add_element(account, f"n{number}", status="deleted" if number % 2 else "ready")
        box.world.add_element(account, "later", status="pending")
        assert [element(row)["element_name"] for row in await box.page(pageNum=2, pageSize=3)] == ["n2", "n0"]
        box.clock.now += 5
        assert element((await box.page(pageSize=1))[0])["element_name"] == "later"


@pytest.mark.parametrize("listed", ["oldest-first", "shuffled"])
@pytest.mark.parametrize("list_deleted", [True, False])
async def test_list_order_unknown(listed: Literal["oldest-first", "shuffled"], list_deleted: bool) -> None:
    async with Box(quirks=Quirks(list_order=listed, list_deleted=list_deleted)) as box:
        account = box.world.account_of("an-api-key")
        for number in range(20):
            box.world.add_element(account, f"{number:03}")
        first = [element(row)["element_name"] for row in await box.page(pageSize=20)]
        assert first == [
            element(row)["element_name"] for page in (1, 2) for row in await box.page(pageNum=page, pageSize=10)
        ]
        in_order = [f"{number:03}" for number in range(20)]
        assert sorted(first) == in_order
        assert (first == in_order) is (listed == "oldest-first")
        assert first != in_order[::-1]

        box.world.add_element(account, "new")
        assert len({element(row)["element_name"] for row in await box.page(pageSize=100)}) == 21


@pytest.mark.parametrize("path", [ELEMENTS, PRESETS])
@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"pageNum": 0}, "pageNum is out of range"),
        ({"pageNum": 1001}, "pageNum is out of range"),
        ({"pageNum": "one"}, "pageNum is out of range"),
        ({"pageNum": "٣"}, "pageNum is out of range"),
        ({"pageNum": "1" * 5000}, "pageNum is out of range"),
        ({"pageNum": ""}, "pageNum is out of range"),
        ({"pageSize": 0}, "pageSize is out of range"),
        ({"pageSize": 501}, "pageSize is out of range"),
        ({"page_size": 30}, "unknown query parameter: page_size"),
        ([("pageNum", 1), ("pageNum", 2)], "query parameter given twice"),
    ],
)
async def test_pages_out_of_range_are_refused(box: Box, path: str, params: Any, said: str) -> None:
    assert refusal(await box.http.get(path, params=params)) == (400, 1201, said)


async def test_the_widest_page_and_the_last_page_number_are_allowed(box: Box) -> None:
    assert await box.page(pageNum=1000, pageSize=500) == []


async def test_voice_page_goes_to_a_thousand(box: Box) -> None:
    assert await box.page(VOICES, pageSize=1000) == []
    assert refusal(await box.http.get(VOICES, params={"pageSize": 1001}))[1] == 1201


async def test_presets_are_54_official_elements_for_everyone(box: Box) -> None:
    rows = await box.page(PRESETS, pageSize=100)
    assert len(rows) == 54
    assert {element(row)["owned_by"] for row in rows} == {"kling"}
    assert len({element(row)["element_name"] for row in rows}) == 54
    assert {tag["id"] for row in rows for tag in element(row)["tag_list"]} == {f"o_10{n}" for n in range(1, 9)}
    assert max(element(row)["element_id"] for row in rows) == 160  # fact: id-as-string, small ids


async def test_presets_thin_have_empty_task_fields_or_full_ones(box: Box) -> None:
    thin = (await box.page(PRESETS))[0]
    assert (thin["task_id"], thin["task_status"], thin["task_info"]) == ("", "", {})
    box.world.quirks = Quirks(presets_thin=False)
    full = (await box.page(PRESETS))[0]
    assert (len(full["task_id"]), full["task_status"]) == (18, "succeed")


async def test_a_page_of_half_a_million_costs_what_it_shows(box: Box) -> None:
    # Counts look-ups instead of seconds: the list is asked for its rows and nothing else.
    account = box.world.account_of("an-api-key")
    for number in range(2000):
        box.world.add_element(account, f"n{number}")
    tasks = account.element_tasks

    class Counted(list[Any]):
        touched = 0

        def __getitem__(self, key: Any) -> Any:
            rows = super().__getitem__(key)
            Counted.touched += len(rows)
            return rows

        def __iter__(self) -> Any:
            raise AssertionError("the whole list was walked")

    tasks._by_age = Counted(tasks._by_age)
    assert element((await box.page(pageNum=5, pageSize=100))[0])["element_name"] == "n1599"
    assert Counted.touched == 100
