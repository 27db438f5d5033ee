"""Kling's own refusals, by who must act."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.errors.base import KlingError

if TYPE_CHECKING:
    from typing import Unpack

    from kling_mcp.errors.base import Details, Kind, Retry
    from kling_mcp.guide import Topic


class ApiError(KlingError):
    """Kling answered with a code other than success. fact: errors-code-decides"""

    kind: Kind = "vendor_fault"

    def __init__(
        self,
        message: str,
        *,
        http_status: int,
        vendor_message: str = "",
        retry_after: float | None = None,
        **details: Unpack[Details],
    ) -> None:
        super().__init__(message, **details)
        self.http_status = http_status
        self.vendor_message = vendor_message
        self.retry_after = retry_after


class AuthError(ApiError):
    """1000-1002: the credentials are not accepted."""

    kind: Kind = "auth"
    pointer: str = "check_setup shows more."
    topic: Topic = "keys-regions-and-the-clock"


class ClockError(ApiError):
    """1003, 1004: the signed token is not valid yet, or no longer. fact: jwt-clock"""

    kind: Kind = "clock"
    topic: Topic = "keys-regions-and-the-clock"


class AccountError(ApiError):
    """1100-1103, 1304: the account's state, balance or rights."""

    kind: Kind = "permission"


class RequestError(ApiError):
    """1200-1203: the request itself."""

    kind: Kind = "bad_input"


class ContentError(ApiError):
    """1300, 1301: Kling's content rules."""

    kind: Kind = "content_policy"


class RateLimitError(ApiError):
    """1302: too many requests per time; nothing was done."""

    kind: Kind = "rate_limited"
    retry: Retry = "later"


class BusyError(ApiError):
    """1303: too many at once; nothing was done. fact: slots-refused"""

    kind: Kind = "busy"
    retry: Retry = "later"


class ServerError(ApiError):
    """5000-5002: Kling failed; a creation may have happened anyway. fact: retry-create"""

    kind: Kind = "vendor_fault"
    retry: Retry = "later"
