"""The packs of units of an account, as far as they tell how many tasks may run at once. facts: costs, costs-pack"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kling_mcp.api.protocol import Request
from kling_mcp.errors import UnexpectedReplyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kling_mcp.api.client import KlingClient

COSTS = "/account/costs"
_SECONDS_BACK = 400 * 86_400.0  # packs live a year
_CEILING = re.compile(r"(?:^|[^a-z0-9])([0-9]{1,4}) ?con(?:[^a-z]|$)", re.IGNORECASE)
_PRODUCTS = {"video": re.compile(r"video", re.IGNORECASE), "image": re.compile(r"image|picture", re.IGNORECASE)}


@dataclass(frozen=True, slots=True)
class Pack:
    """One pack. `status` is Kling's word, such as `online`; only that one counts."""

    name: str
    status: str

    @property
    def ceiling(self) -> int | None:
        """How many slots its name gives, as in `…-5Con-…`; None if it does not say. fact: gen-slots"""
        found = _CEILING.search(self.name)
        return int(found[1]) or None if found else None

    def may_pay(self, product: str) -> bool:
        """Whether its name allows that it pays for this type of product; a name without either may."""
        told = {one for one, word in _PRODUCTS.items() if word.search(self.name)}
        return not told or product in told


async def read_packs(client: KlingClient, now: float) -> list[Pack]:
    """Every pack of the account; free. fact: auth-pair-legacy-only

    Args:
        now: Unix seconds.

    Raises:
        KlingError: as every request; UnexpectedReplyError if this is no list of packs.
    """
    params = {"start_time": round((now - _SECONDS_BACK) * 1000), "end_time": round(now * 1000)}
    return decode_packs(await client.send(Request("GET", COSTS, params=params)))


def decode_packs(data: Any) -> list[Pack]:
    """The packs of an answer, which has a code of its own inside. fact: costs-double-envelope

    Raises:
        UnexpectedReplyError: this is no list of packs.
    """
    rows = data.get("resource_pack_subscribe_infos") if isinstance(data, dict) else None
    if not isinstance(data, dict) or data.get("code", 0) not in {0, 200} or not isinstance(rows, list):
        raise UnexpectedReplyError("Kling's answer is not a list of packs.", http_status=200)
    return [
        Pack(str(row.get("resource_pack_name") or ""), str(row.get("status") or ""))
        for row in rows
        if isinstance(row, dict)
    ]


def ceilings_of(packs: Sequence[Pack]) -> dict[str, int]:
    """How many slots the names of packs give, by product type: the highest of those in use (fact: slots-size).

    A product is left out if one of its packs does not say, because that one may give more.
    """
    ceilings = {}
    for product in _PRODUCTS:
        told = [pack.ceiling for pack in packs if pack.status == "online" and pack.may_pay(product)]
        known = [ceiling for ceiling in told if ceiling is not None]
        if known and len(known) == len(told):
            ceilings[product] = max(known)
    return ceilings
