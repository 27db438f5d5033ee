"""What operators write: the environment, in lines of NAME=value."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from fuzz.doors import Door, text_of
from kling_mcp.errors import ConfigurationError
from kling_mcp.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

SECRET = ("KLING_API_KEY", "KLING_SECRET_KEY", "KLING_MCP_STATE_URL", "KLING_MCP_HTTP_TOKEN", "KLING_WEBHOOK_SECRET")
MARK = "CANARY"  # stands in every secret of the examples
GIVEN = {
    "KLING_API_KEY": "ak-CANARY-1234567890",
    "KLING_ACCESS_KEY": "A1b2C3d4E5f6",
    "KLING_SECRET_KEY": "s3cr3t-CANARY-of-a-pair",
    "KLING_REGION": "global",
    "KLING_BASE_URL": "https://api.example.com",
    "KLING_MCP_SANDBOX": "1",
    "KLING_MCP_READ_ONLY": "no",
    "KLING_MCP_TOOLS": "find_elements,get_element",
    "KLING_MCP_TOOLSETS": "elements, production",
    "KLING_MCP_MEDIA_DIRS": "/pictures:/more",
    "KLING_MCP_OUTPUT_DIR": "/results",
    "KLING_MCP_STATE_DIR": "/state",
    "KLING_MCP_STATE_URL": "postgresql://user:CANARY-pw@host:5432/db?sslmode=require",
    "KLING_MCP_WAIT_SECONDS": "45",
    "KLING_MCP_MAX_CREATES": "3",
    "KLING_MCP_SPENDING": "ask",
    "KLING_MCP_MAX_UNITS_PER_CALL": "20",
    "KLING_MCP_MAX_UNITS_PER_DAY": "200",
    "KLING_MCP_EXTRA_MODELS": "4.0-omni=omni-video/kling-4.0-omni@1.5",
    "KLING_MCP_PUBLIC_URL": "https://kling.example.com",
    "KLING_MCP_HTTP_TOKEN": "a-long-CANARY-token-of-callers-0123456789",
    "KLING_WEBHOOK_SECRET": "whsec_CANARYHNlY3JldHRlc3RzZWNyZXQ=",
    "KLING_MCP_ALLOWED_HOSTS": "kling.example.com",
    "KLING_MCP_ALLOWED_ORIGINS": "https://app.example.com",
    "KLING_MCP_OAUTH_ISSUER": "https://id.example.com",
    "KLING_MCP_OAUTH_JWKS_URL": "https://id.example.com/jwks",
    "KLING_MCP_OAUTH_SCOPES": "kling",
    "KLING_MCP_CREATES_PER_DAY": "100",
    "KLING_MCP_MAX_REQUEST_MB": "40",
    "KLING_MCP_LOG_LEVEL": "info",
    "KLING_MCP_LOG_FORMAT": "json",
}


def settings(data: bytes) -> None:
    """Settings or a sentence, and settings in any case for a server that starts anyway."""
    pairs = (line.partition("=") for line in text_of(data.replace(b"\0", b"")).split("\n")[:20])
    environ = {name: os.fsdecode(value.encode("utf-8", "surrogatepass")) for name, _, value in pairs if name}
    try:
        Settings.from_env(environ)
    except ConfigurationError as refusal:
        _require_sentence(refusal.message, environ)
    tolerated = Settings.from_env(environ, tolerant=True)
    for fault in tolerated.faults:
        _require_sentence(fault.sentence, environ)
    if not any(MARK in value for name, value in environ.items() if name not in SECRET):
        assert MARK not in repr(tolerated), "a secret"


def _require_sentence(sentence: str, environ: dict[str, str]) -> None:
    assert "\n" not in sentence, sentence
    assert len(sentence) < 1000, sentence
    is_open = any(MARK in name + value for name, value in environ.items() if name not in SECRET)
    assert is_open or MARK not in sentence, "a secret"


def _settings_seeds() -> Sequence[bytes]:
    pairs = [f"{name}={value}".encode() for name, value in GIVEN.items()]
    return [*pairs, *(b"\n".join(pairs[start : start + 6]) for start in range(0, len(pairs), 6))]


WORDS = [*(f"\n{name}=".encode() for name in GIVEN), b"${KEY}", b"https://", b"postgresql://", b"[::1", b"\xed\xb2\x80"]
TARGETS: dict[str, Door] = {"settings": Door(settings, _settings_seeds, WORDS)}
