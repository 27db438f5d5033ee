"""Kling's callbacks: whether one is signed, and which task it is about. Pure: no network, no clock.

Nothing that a callback says about a task is trusted; it only triggers a poll.
facts: callback-no-elements, callback-repeats

We do not use the `standardwebhooks` package: it reads the clock itself, signs the time as parsed instead of as sent,
and raises interpreter errors if a forged header has no comma or a body is not UTF-8.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from typing import TYPE_CHECKING, Any

from kling_mcp.errors import CallbackError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAX_BODY_BYTES = 64 * 1024
TOLERANCE_SECONDS = 300.0  # fact: signature-sum
SECRET_PREFIX = "whsec_"  # noqa: S105 - what secrets begin with
_MAX_SIGNATURES = 16
_SECONDS = re.compile(r"[0-9]{1,12}")
_TASK_ID = re.compile(r"[!-~]{1,128}")


def signing_keys(secrets: Iterable[str]) -> tuple[bytes, ...]:
    """The keys of `whsec_` secrets; several during rotation. facts: signature-sum, signature-rotation

    Raises:
        ValueError: a secret is not in that form.
    """
    return tuple(_signing_key(secret) for secret in secrets)


def _signing_key(secret: str) -> bytes:
    encoded = secret.removeprefix(SECRET_PREFIX)
    key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    if encoded == secret or not key:
        raise ValueError("a secret must be whsec_ followed by Base64")
    return key


def check_signature(headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: float) -> None:
    """Require a recent signature of exactly this body. facts: signature, signature-headers, signature-sum

    Args:
        headers: in any letter case.
        keys: as `signing_keys` gives them; one match is enough.
        now: seconds since 1970.

    Raises:
        CallbackError: a header is missing or unreadable, it is too old or too new, or no signature fits.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    webhook_id, sent_at = lower.get("webhook-id", ""), lower.get("webhook-timestamp", "")
    if not webhook_id or not _SECONDS.fullmatch(sent_at):
        raise CallbackError("The callback is not signed, or its webhook headers cannot be read.", http_status=401)
    if abs(now - int(sent_at)) > TOLERANCE_SECONDS:
        raise CallbackError(
            "The callback was signed too long ago or in the future; a clock may be wrong.", http_status=401
        )
    text = f"{webhook_id}.{sent_at}.".encode() + body
    given = [_signature(part) for part in lower.get("webhook-signature", "").split()[:_MAX_SIGNATURES]]
    wanted = [hmac.digest(key, text, "sha256") for key in keys]
    fits = [
        hmac.compare_digest(one, other) for one in given for other in wanted
    ]  # all pairs: the timing reveals nothing
    if True not in fits:
        raise CallbackError("The callback's signature matches none of the secrets.", http_status=401)


def _signature(part: str) -> bytes:
    """The bytes of `v1,<base64>`; empty for other versions or unreadable text."""
    version, _, encoded = part.partition(",")
    try:
        return base64.b64decode(encoded, validate=True) if version == "v1" else b""
    except (binascii.Error, ValueError):
        return b""


def read_task_id(body: bytes) -> str:
    """Which task a callback is about; "" if it does not say.

    Element callbacks are documented as task records, and newer routes have their own format; a record in an envelope
    is read as well, because no element callback has been seen yet. facts: callback-legacy-body, callback-new-body

    Raises:
        CallbackError: it is not a JSON object.
    """
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise CallbackError("The callback's body is not a JSON object.", http_status=400)
    inner = said.get("data")
    records: list[dict[str, Any]] = [said, inner] if isinstance(inner, dict) else [said]
    ids = (record.get(name) for record in records for name in ("task_id", "id"))
    return next((found for value in ids if _TASK_ID.fullmatch(found := _text(value))), "")


def _text(value: object) -> str:
    """An id as text; an older format may send a number."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
