"""Removes secrets from text and bytes: known ones, however they are escaped, and anything that looks like one.

Every pattern reads its text once: its repetitions never backtrack, and no match can start inside a run of characters
that an earlier attempt has read. So a text of any length is safe.
"""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN = "[hidden]"
# Shorter than any key. Hiding a short word wherever it occurs would damage Kling's replies.
MIN_SECRET_CHARACTERS = 8

# Anything that looks like a secret is hidden: over http, callers bring keys that are in no setting.
_BEARER = re.compile(r"(?i)\b(bearer)\s++[^\s'\",;]++")
_HEADER = re.compile(r"(?i)(x-kling-(?:api|access|secret)-key\b['\"]?\s*+[:=,]\s*+b?['\"]?)[^\s'\",;]++")
# A signed token, which may follow words and dashes: these are skipped, not searched again from each dash.
_TOKEN = re.compile(r"(?<![\w-])((?:(?!ey)\w*+-)*+)ey[\w-]{8,}+\.[\w-]{2,}+\.[\w-]*+")
_WEBHOOK_SECRET = re.compile(r"\bwhsec_[\w+/=-]++")


def redact_text(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without these secrets and anything that looks like one."""
    for form in _written_forms(secrets):
        text = text.replace(form, HIDDEN)
    text = _BEARER.sub(rf"\1 {HIDDEN}", text)
    text = _HEADER.sub(rf"\1{HIDDEN}", text)
    text = _TOKEN.sub(rf"\1{HIDDEN}", text)
    return _WEBHOOK_SECRET.sub(HIDDEN, text)


def redact_start(text: str, secrets: Iterable[str], limit: int) -> str:
    """Like `redact_text`, for the first `limit` characters; removes secrets that the cut left incomplete, too."""
    if len(text) <= limit:
        return redact_text(text, secrets)
    longest = max((len(form) for form in _written_forms(secrets)), default=0)
    start = redact_text(text[:limit], secrets)
    return f"{start[: max(0, len(start) - longest)]}… (cut from {len(text)} characters)"


class BytesRedactor:
    """Removes these secrets from replies; text that only looks like one may be Kling's own data.

    One for many replies: to work out how a secret may be written takes longer than to look for it.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        written = _written_forms(secret for secret in secrets if len(secret) >= MIN_SECRET_CHARACTERS)
        self._forms = [form.encode() for form in written]

    def redact(self, data: bytes) -> bytes:
        """The bytes without the secrets."""
        for form in self._forms:
            data = data.replace(form, HIDDEN.encode())
        return data


def _written_forms(secrets: Iterable[str]) -> list[str]:
    """Each secret as it is, and escaped for JSON, HTML and URLs.

    The longest come first, as one may be part of another.
    """
    forms: set[str] = set()
    for secret in secrets:
        as_json = json.dumps(secret)[1:-1]
        forms |= {secret, as_json, as_json.replace("/", "\\/"), html.escape(secret), quote(secret, safe="")}
    return sorted(forms - {""}, key=len, reverse=True)
