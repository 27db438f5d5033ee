"""Calls to a Kling at an address, over the real network of this computer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers import API_KEY, SENDS, failure_of

from kling_mcp.api.auth import ApiKey
from kling_mcp.api.client import KlingClient
from kling_mcp.api.retry import RetryPolicy
from kling_mcp.api.sender import Sender, Timeouts
from kling_mcp.concurrency.clock import SystemClock

if TYPE_CHECKING:
    from kling_mcp.errors import KlingError

READ = SENDS["list"]
AT_ONCE = RetryPolicy(attempts=2, first_delay=0.0, longest_delay=0.0)


def kling_at(url: str, timeouts: Timeouts | None = None) -> KlingClient:
    """A client that repeats at once."""
    clock = SystemClock()
    return KlingClient(Sender(url, clock, retry=AT_ONCE, timeouts=timeouts), ApiKey(API_KEY), clock)


async def failure_at(url: str, route: str = "create", timeouts: Timeouts | None = None) -> KlingError:
    """How a request to this address ends; one that cannot pass by itself is not repeated, any other is."""
    client = kling_at(url, timeouts)
    error = await failure_of(client, route)
    assert client.sender.requests_sent == (1 if error.retry == "never" else AT_ONCE.attempts)
    await client.sender.aclose()
    return error
