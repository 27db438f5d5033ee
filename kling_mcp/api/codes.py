"""Kling's table of codes, and what each one means for a caller.

facts: code-table, errors-code-decides (four of the six 429 codes are permanent).
This is data: turning a reply into an error happens in `protocol`.
"""

from __future__ import annotations

from dataclasses import dataclass

from kling_mcp.errors import (
    AccountError,
    ApiError,
    AuthError,
    BusyError,
    ClockError,
    ContentError,
    Created,
    Kind,
    RateLimitError,
    RequestError,
    Retry,
    ServerError,
)


@dataclass(frozen=True, slots=True)
class CodeRule:
    """One row. `created_on_create` is what a failed creation with this code leaves behind."""

    http_status: int
    meaning: str
    error: type[ApiError]
    kind: Kind
    retry: Retry = "never"
    created_on_create: Created = "no"
    advice: str = ""


_CREDENTIALS = (
    "Check the key in Kling's developer console, and make sure that it belongs to this region: "
    "accounts and keys of the two regions are separate (KLING_REGION)."
)
_CLOCK = "Set this computer's clock to automatic time and call again, or use KLING_API_KEY, which needs no clock."
_CONSOLE = "Check the account in Kling's developer console; repeating the call will not help."
_TOP_UP = "Top up or renew the resource pack in Kling's developer console, then call again."
_CONTENT = "Change the pictures, the name or the description; the same input will be refused again."
_LATER = "The problem is on Kling's side; call again in a minute or two."

CODES: dict[int, CodeRule] = {
    1000: CodeRule(401, "authentication failed", AuthError, "auth", advice=_CREDENTIALS),
    1001: CodeRule(401, "the Authorization header is empty", AuthError, "auth", advice=_CREDENTIALS),
    1002: CodeRule(401, "the credential is not valid", AuthError, "auth", advice=_CREDENTIALS),
    1003: CodeRule(401, "the signed token is not valid yet", ClockError, "clock", advice=_CLOCK),
    1004: CodeRule(401, "the signed token has expired", ClockError, "clock", advice=_CLOCK),
    1100: CodeRule(429, "the account is in an abnormal state", AccountError, "permission", advice=_CONSOLE),
    1101: CodeRule(429, "the account is in arrears", AccountError, "balance", advice=_TOP_UP),
    1102: CodeRule(
        429,
        "the resource pack for this kind of work is used up, expired or missing",
        AccountError,
        "balance",
        advice=_TOP_UP + " Packs are sold per product type.",
    ),
    1103: CodeRule(403, "the account has no access to this API or model", AccountError, "permission", advice=_CONSOLE),
    1200: CodeRule(
        400,
        "a parameter is not valid",
        RequestError,
        "bad_input",
        advice="Correct the named parameter and call again.",
    ),
    1201: CodeRule(
        400,
        "a parameter's name or value is not valid",
        RequestError,
        "bad_input",
        advice="Correct the named value and call again.",
    ),
    1202: CodeRule(
        404,
        "the method does not exist",
        RequestError,
        "vendor_fault",
        advice="KLING_BASE_URL is wrong, or this is a bug in kling-mcp; your input is fine. Please report it.",
    ),
    1203: CodeRule(
        404,
        "the resource or model does not exist",
        RequestError,
        "not_found",
        advice="Check the id; list_elements shows what exists.",
    ),
    1300: CodeRule(400, "the platform's policy refuses this input", ContentError, "content_policy", advice=_CONTENT),
    1301: CodeRule(400, "the content check refuses this input", ContentError, "content_policy", advice=_CONTENT),
    1302: CodeRule(
        429,
        "too many requests in a short time",
        RateLimitError,
        "rate_limited",
        "later",
        advice="Wait a few seconds and call again with the same arguments.",
    ),
    1303: CodeRule(
        429,
        "more tasks at once than the account's pack allows",
        BusyError,
        "busy",
        "later",
        advice="Wait until a running task ends, then call again with the same arguments.",
    ),
    1304: CodeRule(
        429,
        "this computer's address is not on the account's IP whitelist",
        AccountError,
        "permission",
        advice=_CONSOLE,
    ),
    5000: CodeRule(500, "internal error at Kling", ServerError, "vendor_fault", "later", "maybe", _LATER),
    5001: CodeRule(503, "Kling is under maintenance", ServerError, "vendor_fault", "later", "maybe", _LATER),
    5002: CodeRule(
        504, "Kling timed out internally (a backlog)", ServerError, "vendor_fault", "later", "maybe", _LATER
    ),
}

# A code that is not in the table: say so and stay careful.
UNLISTED = CodeRule(
    0,
    "a code that Kling does not document",
    ApiError,
    "vendor_fault",
    advice="Look up the code in Kling's documentation; the message next to it is Kling's own.",
)
