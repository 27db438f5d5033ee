"""`check_setup` and the check behind it: plain sentences on credentials, region, clock and network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from helpers import ACCESS_KEY, API_KEY, SECRET_KEY, Connect, requests_to, structured, text_of
from virtual_time import VirtualClock

from kling_mcp._version import __version__
from kling_mcp.account import Account
from kling_mcp.api.diagnostics import PAGE_SIZE, check
from kling_mcp.settings import HOSTS
from kling_mcp.simulator import Faults, World

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

PAIR = {"api_key": "", "access_key": ACCESS_KEY, "secret_key": SECRET_KEY}


async def setup_told(connect: Connect, era: str = "auto", **changes: Any) -> dict[str, Any]:
    """The structured answer; the text holds the same facts."""
    async with connect(era, **changes) as client:
        result = await client.call_tool("check_setup", {})
    told = structured(result)
    for sentence in (*told["problems"], *told["notes"]):
        assert sentence in text_of(result)
    assert f"version={told['version']}" in text_of(result)
    return told


async def test_check_setup_with_a_good_setup_reports_no_problem(connect: Connect, era: str, world: World) -> None:
    world.add_element(world.account_of(API_KEY), "Mia")
    world.add_element(world.account_of(API_KEY), "Gone", status="deleted")
    told = await setup_told(connect, era)
    assert told == {
        "ok": True,
        "version": __version__,
        "region": "global",
        "base_url": "https://api-singapore.klingai.com",
        "credential": "api_key",
        "clock_skew_seconds": told["clock_skew_seconds"],
        "elements": 1,
        "problems": [],
        "notes": told["notes"],
    }
    (state,) = told["notes"]
    assert "was made at this start" in state
    assert abs(told["clock_skew_seconds"]) <= 1  # the Date header has whole seconds
    assert [request.route for request in world.requests] == ["list"]  # one cheap read


NEW_STATE = "was made at this start"


async def test_new_state_is_mentioned_until_the_next_start(connect: Connect, era: str, tmp_path: Path) -> None:
    """As in a container without a volume, where every start is the first one."""
    for is_new in (True, False):
        async with connect(era) as client:
            for _ in range(2):
                result = await client.call_tool("check_setup", {})
                assert structured(result)["problems"] == []
                assert (f"The state in {tmp_path / 'state'} {NEW_STATE}." in text_of(result)) is is_new


async def test_sandbox_says_nothing_of_a_new_state(connect: Connect) -> None:
    async with connect(sandbox=True) as client:
        assert NEW_STATE not in text_of(await client.call_tool("check_setup", {}))


async def test_state_that_cannot_be_used_is_a_problem(connect: Connect, era: str, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("not a folder")
    told = await setup_told(connect, era)
    assert not told["ok"]
    (problem,) = told["problems"]
    assert problem.startswith(f"read_only: The state folder {tmp_path / 'state'} cannot be written")
    assert "KLING_MCP_STATE_DIR" in problem


async def test_missing_credentials_are_an_answer_of_check_setup_not_an_error(
    connect: Connect, era: str, world: World
) -> None:
    """The tool exists to be called when something is missing."""
    told = await setup_told(connect, era, api_key="")
    assert (told["ok"], told["credential"], told["elements"]) == (False, "none", 0)
    (problem,) = told["problems"]
    assert problem.startswith("missing_credentials: No Kling credentials are set.")
    assert "KLING_API_KEY" in problem
    assert world.requests == []


@pytest.mark.parametrize(
    ("credential", "kind", "code"),
    [({"api_key": "wrong-api-key"}, "api_key", 1002), ({**PAIR, "secret_key": "wrong-secret-key"}, "key_pair", 1000)],
)
async def test_a_wrong_key_names_host_kind_and_region(
    connect: Connect, credential: dict[str, str], kind: str, code: int
) -> None:
    """fact: region-no-fallback"""
    told = await setup_told(connect, **credential)
    assert (told["ok"], told["credential"]) == (False, kind)
    (problem,) = told["problems"]
    assert problem.startswith(f"auth: code={code} ")
    assert f"({kind} at https://api-singapore.klingai.com)" in problem
    assert "KLING_REGION" in problem
    assert "wrong" not in problem


@pytest.mark.parametrize("seconds", [600, -600])
@pytest.mark.parametrize("credential", [{}, PAIR], ids=["api-key", "key-pair"])
async def test_skewed_clock_is_reported_though_tokens_are_corrected(
    connect: Connect, world: World, credential: dict[str, str], seconds: int
) -> None:
    """fact: jwt-clock"""
    world.skew_seconds = seconds
    told = await setup_told(connect, **credential)
    assert told["clock_skew_seconds"] == pytest.approx(seconds, abs=1)
    (problem,) = told["problems"]
    assert problem.startswith("This computer's clock is ")
    assert ("behind" if seconds > 0 else "ahead of") in problem
    assert told["ok"] is False


async def test_clock_skew_of_a_few_seconds_is_no_problem(connect: Connect, world: World) -> None:
    world.skew_seconds = 30
    told = await setup_told(connect)
    assert (told["ok"], told["problems"]) == (True, [])
    assert told["clock_skew_seconds"] == pytest.approx(30, abs=1)


async def test_missing_network_is_reported_as_a_problem(connect: Connect, faults: Faults) -> None:
    faults.refuse_connection(times=None)
    told = await setup_told(connect)
    (problem,) = told["problems"]
    assert problem.startswith("network: Could not connect to api-singapore.klingai.com")
    assert (told["ok"], told["clock_skew_seconds"]) == (False, 0.0)


@pytest.mark.parametrize(
    ("code", "words"), [(1102, "balance"), (1304, "whitelist"), (5001, "maintenance"), (1100, "abnormal")]
)
async def test_refusals_of_kling_are_reported_in_its_words(
    connect: Connect, faults: Faults, code: int, words: str
) -> None:
    faults.reply_code(code, times=None)
    told = await setup_told(connect)
    assert words in told["problems"][0]
    assert f"code={code}" in told["problems"][0]


async def test_a_date_that_cannot_be_read_is_no_skew(connect: Connect, faults: Faults) -> None:
    for text in ("", "yesterday at noon"):
        faults.garbage_date(text)
        assert (await setup_told(connect))["clock_skew_seconds"] == 0.0


async def test_an_empty_library_is_explained(connect: Connect) -> None:
    """fact: library-web-separate ("reported")"""
    async with connect() as client:
        text = text_of(await client.call_tool("check_setup", {}))
    assert "web site are reported not to appear here" in text


async def test_region_china_is_named_with_its_host(connect: Connect) -> None:
    told = await setup_told(connect, region="china", base_url=HOSTS["china"])
    assert (told["region"], told["base_url"]) == ("china", "https://api-beijing.klingai.com")


async def test_a_full_page_says_that_there_is_more(connect: Connect, account: Account, world: World) -> None:
    for number in range(PAGE_SIZE):
        world.add_element(world.account_of(API_KEY), f"element {number}")
    async with connect() as client:
        text = text_of(await client.call_tool("check_setup", {}))
    assert "elements=30 on the first page; there are more" in text


async def test_the_library_call_alone(account: Account, clock: VirtualClock, world: World) -> None:
    found = await check(account.client, clock)
    assert (found.ok, found.elements, found.is_full, found.problems) == (True, 0, False, ())
    assert len(requests_to(world, "list")) == 1
