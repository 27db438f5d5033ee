"""What packs of units tell of slots. facts: costs-pack, gen-slots, slots-size"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from helpers import API_KEY, requests_to

from kling_mcp.api.packs import Pack, ceilings_of, decode_packs, read_packs
from kling_mcp.errors import UnexpectedReplyError
from kling_mcp.simulator.generation.ledger import Pack as SimulatedPack

if TYPE_CHECKING:
    from virtual_time import VirtualClock

    from kling_mcp.account import Account
    from kling_mcp.simulator import World

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("name", "ceiling"),
    [
        ("Video-10000Units-5Con-365Days", 5),
        ("Simulated-Image-100Units-20Con-365Days", 20),
        ("video_3con", 3),
        ("Image pack, 10 Con, 90 days", 10),
        ("5Con", 5),
        ("Video-5Contracts-2026", None),
        ("Video-1000Units", None),
        ("Video-0Con", None),
        ("Video-x5Con", None),
        ("", None),
    ],
)
def test_name_of_a_pack_gives_the_ceiling_or_none(name: str, ceiling: int | None) -> None:
    assert Pack(name, "online").ceiling == ceiling


@pytest.mark.parametrize(
    ("packs", "ceilings"),
    [
        ([], {}),
        ([Pack("Video-5Con", "online")], {"video": 5}),
        ([Pack("Video-5Con", "online"), Pack("Video-20Con", "online")], {"video": 20}),
        ([Pack("Video-5Con", "online"), Pack("Video-20Con", "expired")], {"video": 5}),
        ([Pack("Video-5Con", "online"), Pack("Image-9Con", "online")], {"video": 5, "image": 9}),
        ([Pack("Video-5Con", "online"), Pack("Video-big", "online")], {}),
        ([Pack("Video-5Con", "online"), Pack("Contract", "online")], {}),
        ([Pack("Contract-7Con", "online")], {"video": 7, "image": 7}),
    ],
)
def test_ceiling_is_the_highest_of_the_packs_in_use(packs: list[Pack], ceilings: dict[str, int]) -> None:
    assert ceilings_of(packs) == ceilings


async def test_packs_are_read_as_kling_lists_them(account: Account, clock: VirtualClock) -> None:
    packs = await read_packs(account.client, clock.wall())
    assert ceilings_of(packs) == {"video": 20, "image": 20}


async def test_pack_that_is_used_up_does_not_count(clock: VirtualClock, account: Account, world: World) -> None:
    world.packs = [SimulatedPack("video", 0, concurrency=50), SimulatedPack("video", 10, concurrency=5)]
    assert ceilings_of(await read_packs(account.client, clock.wall())) == {"video": 5}
    (request,) = requests_to(world, "costs")
    assert "start_time=" in request.query
    assert API_KEY not in request.query


@pytest.mark.parametrize(
    "data", [None, [], {}, {"code": 1000, "msg": "no"}, {"code": 0, "resource_pack_subscribe_infos": "none"}]
)
def test_costs_double_envelope_is_checked(data: object) -> None:
    with pytest.raises(UnexpectedReplyError):
        decode_packs(data)


def test_rows_that_are_no_packs_are_left_out() -> None:
    rows = [None, {"resource_pack_name": None}, {"resource_pack_name": "Video-5Con", "status": "online"}]
    packs = decode_packs({"code": 200, "resource_pack_subscribe_infos": rows})
    assert packs == [Pack("", ""), Pack("Video-5Con", "online")]
