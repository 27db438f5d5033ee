"""Kling's error codes, as this simulator returns them.

Contains the vendor's table and the one error that refuses a request. Must not know routes or state.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

INVALID_CREDENTIAL = 1002
BALANCE_NOT_ENOUGH = 1102
INVALID_PARAMETERS = 1200
INVALID_VALUE = 1201
METHOD_INVALID = 1202
NO_SUCH_RESOURCE = 1203
RATE_EXCEEDED = 1302
PARALLEL_EXCEEDED = 1303


class Code(NamedTuple):
    """One row of the table: the HTTP status that comes with the code, and its text."""

    http_status: int
    message: str


# facts: code-table, errors-code-decides. Texts are the observed ones where a `msg-` fact has them.
CODES: Mapping[int, Code] = MappingProxyType(
    {
        1000: Code(401, "Authentication failed"),
        1001: Code(401, "Authorization is empty"),
        1002: Code(401, "Authorization is invalid"),
        1003: Code(401, "Authorization is not yet valid"),
        1004: Code(401, "Authorization has expired"),
        1100: Code(429, "Account abnormal"),
        1101: Code(429, "Account in arrears"),
        1102: Code(429, "Account balance not enough"),  # fact: msg-no-pack
        1103: Code(403, "No permission for the requested resource"),
        1200: Code(400, "Invalid request parameters"),
        1201: Code(400, "Invalid key or value"),
        1202: Code(404, "The requested method is invalid"),
        1203: Code(404, "The requested resource does not exist"),
        1300: Code(400, "Trigger strategy of the platform"),
        1301: Code(400, "Trigger the content security policy of the platform"),
        1302: Code(429, "Request rate exceeded"),
        1303: Code(429, "parallel task over resource pack limit"),  # fact: msg-parallel
        1304: Code(429, "Trigger the platform's IP whitelisting policy"),
        5000: Code(500, "Server internal error"),
        5001: Code(503, "Server temporarily unavailable"),
        5002: Code(504, "Server internal timeout"),
    }
)


class RefusedError(Exception):
    """The simulated vendor refuses a request: `code` decides, `http_status` and `message` come with it."""

    def __init__(self, code: int, message: str = "", *, http_status: int = 0) -> None:
        row = CODES[code]
        self.code = code
        self.message = message or row.message
        self.http_status = http_status or row.http_status
        super().__init__(f"{code} {self.message}")


def refuse_value(message: str) -> RefusedError:
    """Return (not raise) the most common refusal: 400, code 1201."""
    return RefusedError(INVALID_VALUE, message)
