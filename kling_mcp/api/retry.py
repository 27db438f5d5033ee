"""When to retry a request. Pure: (error, attempt, time left) -> delay or stop.

Reads are retried on transient errors (fact: retry-reads).
A request that changes something is retried only if it never reached Kling, or Kling said that nothing was done
(fact: retry-create).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kling_mcp.api.protocol import is_gateway_failure
from kling_mcp.errors import (
    ApiError,
    BusyError,
    ConnectionFailedError,
    KlingError,
    RateLimitError,
    ServerError,
    UnexpectedReplyError,
)

if TYPE_CHECKING:
    import random

    from kling_mcp.api.protocol import Effect


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds. Delays grow from `first_delay` by doubling up to `longest_delay`, each with full jitter."""

    attempts: int = 4
    within_seconds: float = 20.0
    first_delay: float = 0.5
    longest_delay: float = 5.0
    longest_retry_after: float = 10.0


def delay_before_retry(
    policy: RetryPolicy,
    error: KlingError,
    effect: Effect,
    *,
    attempt: int,
    elapsed: float,
    rng: random.Random,
) -> float | None:
    """Seconds to wait before attempt `attempt + 1`, or None to give up.

    Args:
        attempt: how many times the request was sent, from 1.
        elapsed: seconds since the first attempt began.
    """
    if attempt >= policy.attempts or not may_repeat(error, effect):
        return None
    ceiling = min(policy.longest_delay, policy.first_delay * 2 ** (attempt - 1))
    delay = rng.uniform(ceiling / 2, ceiling)
    asked = error.retry_after if isinstance(error, ApiError) else None
    if asked is not None:
        if asked > policy.longest_retry_after:  # fact: retry-after-unseen
            return None
        delay = max(delay, asked)
    return delay if elapsed + delay <= policy.within_seconds else None


def may_repeat(error: KlingError, effect: Effect) -> bool:
    """Whether a retry can help without doing the same thing twice."""
    if isinstance(error, ConnectionFailedError) and error.retry == "never":
        return False  # an untrusted certificate or an unreadable proxy does not pass by itself
    if effect == "create":
        return isinstance(error, ConnectionFailedError)  # 1302 and 1303 are the create gate's
    nothing_was_done = isinstance(error, ConnectionFailedError | RateLimitError | BusyError)
    if effect == "delete":
        return nothing_was_done
    return nothing_was_done or isinstance(error, ServerError) or _may_pass(error)


def _may_pass(error: KlingError) -> bool:
    """A lost reply or a gateway failure; an HTML page with status 200 will not change on a retry."""
    if isinstance(error, UnexpectedReplyError):
        return is_gateway_failure(error) or error.kind == "rate_limited"
    return error.kind == "network"
