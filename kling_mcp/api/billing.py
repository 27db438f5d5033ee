"""The endpoints that say what an account has and what it paid. They are free, and asked once a second at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from pydantic import ValidationError

from kling_mcp.api.billing_models import Deduction, Pack
from kling_mcp.api.models import FromKling, read_objects
from kling_mcp.api.protocol import Request
from kling_mcp.errors import UnexpectedReplyError
from kling_mcp.sanitize import clean, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_mcp.api.client import KlingClient
    from kling_mcp.concurrency.clock import Clock

T = TypeVar("T", bound=FromKling)

COSTS = "/account/costs"  # fact: costs
PACKAGE_LEDGER, CASH_LEDGER = "/account/billing/package", "/account/billing/balance"  # fact: ledger-package
PAGE_SIZE = 500
PAUSE_SECONDS = 1.05  # fact: costs (one call a second); requests may be delayed differently on their way


class BillingApi:
    """Every method waits for its turn, and raises `KlingError`; see `kling_mcp.errors` for the classes."""

    def __init__(self, client: KlingClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._turn = anyio.Lock()
        self._asked_at = -PAUSE_SECONDS

    @property
    def has_ledgers(self) -> bool:
        """Whether the credential may read deductions. fact: auth-pair-legacy-only"""
        return self._client.credential_kind != "key_pair"

    async def packs(self, since_ms: int, until_ms: int) -> list[Pack]:
        """The account's packs. facts: costs, costs-double-envelope, costs-pack

        Raises:
            UnexpectedReplyError: Kling's inner code is no success.
        """
        data = await self._ask(Request("GET", COSTS, params={"start_time": since_ms, "end_time": until_ms}))
        if not isinstance(data, dict) or data.get("code", 0) not in (0, 200):
            inner = data if isinstance(data, dict) else {}
            said = f"{clean(str(inner.get('code', '')), 20)} {quote(str(inner.get('msg', '')), 200)}"
            raise UnexpectedReplyError(f"Kling did not tell the packs of this account: {said}.", http_status=200)
        return _read(data.get("resource_pack_subscribe_infos"), Pack)

    async def deductions(
        self, path: str, since_ms: int, until_ms: int, *, cursor: str = ""
    ) -> tuple[list[Deduction], str]:
        """One page of a ledger, of tasks created in that time, with the next cursor or "". facts: ledger-package,
        ledger-row-fields
        """
        body: dict[str, object] = {"start_time": since_ms, "end_time": until_ms, "limit": PAGE_SIZE}
        data = await self._ask(Request("POST", path, body=body | ({"cursor": cursor} if cursor else {})))
        if not isinstance(data, dict):
            raise UnexpectedReplyError("Kling's answer is no list of deductions.", http_status=200)
        result = data.get("result")
        detail: Mapping[str, Any] = result if isinstance(result, dict) else {}
        following = data.get("next_cursor") if data.get("has_more") else ""
        return _read(detail.get("detail"), Deduction), following if isinstance(following, str) else ""

    async def _ask(self, request: Request) -> Any:
        async with self._turn:
            await self._clock.sleep(max(0.0, self._asked_at + PAUSE_SECONDS - self._clock.monotonic()))
            self._asked_at = self._clock.monotonic()
            return await self._client.send(request)


def _read(rows: Any, model: type[T]) -> list[T]:
    """The rows that can be read."""
    found: list[T] = []
    for row in read_objects(rows):
        try:
            found.append(model.model_validate(row))
        except ValidationError:
            continue
    return found
