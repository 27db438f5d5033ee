"""The settings of hosting: what they take, and the sentence that names the variable when they do not."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
from readings import variables_read

from hosting.http_server import TOKEN
from kling_mcp.errors import ConfigurationError
from kling_mcp.settings import Settings
from kling_mcp.settings.hosting import (
    HostingSettings,
    OAuthSettings,
)
from kling_mcp.settings.values import is_loopback

OAUTH = {
    "KLING_MCP_OAUTH_ISSUER": "https://login.example.com/tenant/",
    "KLING_MCP_OAUTH_JWKS_URL": "https://login.example.com/keys?v=2",
    "KLING_MCP_PUBLIC_URL": "https://kling.example.com/",
}


def read(**environ: str) -> HostingSettings:
    return Settings.from_env(environ).hosting


def refusal(**environ: str) -> str:
    """The sentence with which these variables are refused."""
    with pytest.raises(ConfigurationError) as caught:
        read(**environ)
    assert caught.value.kind == "bad_input"
    return caught.value.message


def test_hosting_settings_are_empty_by_default() -> None:
    assert read() == HostingSettings()
    assert not read().requires_auth


def test_every_variable_is_read() -> None:
    hosting = read(
        KLING_MCP_HTTP_TOKEN=TOKEN,
        KLING_MCP_ALLOWED_HOSTS="Kling.Example.com, 10.0.0.5:8443 [2001:db8::1],localhost",
        KLING_MCP_ALLOWED_ORIGINS="https://chat.example.com, http://localhost:3000/,https://[::1]:8443",
        KLING_MCP_PUBLIC_URL="https://kling.example.com/base/",
        KLING_MCP_MAX_REQUEST_MB="20",
        KLING_MCP_CREATES_PER_MINUTE="5",
        KLING_MCP_CREATES_PER_DAY="0",
    )
    assert hosting == HostingSettings(
        token=TOKEN,
        allowed_hosts=("kling.example.com", "10.0.0.5:8443", "[2001:db8::1]", "localhost"),
        allowed_origins=("https://chat.example.com", "http://localhost:3000", "https://[::1]:8443"),
        public_url="https://kling.example.com/base",
        max_request_mb=20,
        creates_per_minute=5,
        creates_per_day=0,
    )
    assert hosting.requires_auth


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"KLING_MCP_OAUTH_SCOPES": "elements,elements:write"},
            {"audience": "https://kling.example.com/mcp", "scopes": ("elements", "elements:write")},
        ),
        ({"KLING_MCP_OAUTH_AUDIENCE": "api://kling"}, {"audience": "api://kling"}),
        (
            {"KLING_MCP_PUBLIC_URL": "", "KLING_MCP_OAUTH_AUDIENCE": "https://other.example.com/mcp"},
            {"audience": "https://other.example.com/mcp", "resource": "https://other.example.com/mcp"},
        ),
        ({"KLING_MCP_OAUTH_JWKS_URL": "http://127.0.0.1:9000/keys"}, {"jwks_url": "http://127.0.0.1:9000/keys"}),
    ],
)
def test_oauth_is_read(changes: dict[str, str], expected: dict[str, object]) -> None:
    """The issuer stays as it was written: it is compared letter by letter. The audience is this server by default."""
    common = {
        "issuer": "https://login.example.com/tenant/",
        "jwks_url": "https://login.example.com/keys?v=2",
        "audience": "https://kling.example.com/mcp",
        "resource": "https://kling.example.com/mcp",
    }
    hosting = read(**{**OAUTH, **changes})
    assert hosting.oauth == OAuthSettings(**{**common, **expected})  # type: ignore[arg-type] # fields of two types
    assert hosting.requires_auth


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({**OAUTH, "KLING_MCP_HTTP_TOKEN": TOKEN}, "KLING_MCP_HTTP_TOKEN and KLING_MCP_OAUTH_ISSUER are both set"),
        ({**OAUTH, "KLING_MCP_OAUTH_ISSUER": ""}, "KLING_MCP_OAUTH_ISSUER is missing"),
        ({**OAUTH, "KLING_MCP_OAUTH_JWKS_URL": ""}, "KLING_MCP_OAUTH_JWKS_URL is missing"),
        ({"KLING_MCP_OAUTH_SCOPES": "elements"}, "KLING_MCP_OAUTH_ISSUER is missing"),
        ({"KLING_MCP_OAUTH_AUDIENCE": "x"}, "KLING_MCP_OAUTH_ISSUER is missing"),
        ({**OAUTH, "KLING_MCP_PUBLIC_URL": ""}, "KLING_MCP_PUBLIC_URL must be set"),
        ({**OAUTH, "KLING_MCP_PUBLIC_URL": "", "KLING_MCP_OAUTH_AUDIENCE": "api://kling"}, "KLING_MCP_PUBLIC_URL must"),
        (
            {**OAUTH, "KLING_MCP_PUBLIC_URL": "", "KLING_MCP_OAUTH_AUDIENCE": "http://kling.example.com"},
            "KLING_MCP_OAUTH_AUDIENCE must be an https address",
        ),
        ({**OAUTH, "KLING_MCP_OAUTH_ISSUER": "http://login.example.com"}, "KLING_MCP_OAUTH_ISSUER must be an https"),
        ({**OAUTH, "KLING_MCP_OAUTH_ISSUER": "login.example.com"}, "KLING_MCP_OAUTH_ISSUER must be an https"),
        ({**OAUTH, "KLING_MCP_OAUTH_ISSUER": "https://login.example.com?x=1"}, "without a user name, a query"),
        ({**OAUTH, "KLING_MCP_OAUTH_JWKS_URL": "file:///etc/passwd"}, "KLING_MCP_OAUTH_JWKS_URL must be an https"),
        ({**OAUTH, "KLING_MCP_OAUTH_JWKS_URL": "https://u:CANARY@login.example.com"}, "without a user name"),
        ({**OAUTH, "KLING_MCP_OAUTH_JWKS_URL": "https://[::1"}, "cannot be read as an address"),
        ({**OAUTH, "KLING_MCP_OAUTH_JWKS_URL": "https://a.example/ x"}, "it is not one"),
        ({**OAUTH, "KLING_MCP_OAUTH_SCOPES": 'el"ements'}, "KLING_MCP_OAUTH_SCOPES holds"),
        ({"KLING_MCP_PUBLIC_URL": "kling.example.com"}, "KLING_MCP_PUBLIC_URL must be an https address"),
        ({"KLING_MCP_PUBLIC_URL": "https://kling.example.com/mcp"}, "public address without /mcp"),
        ({"KLING_MCP_PUBLIC_URL": "https://kling.example.com/base/mcp/"}, "public address without /mcp"),
        ({"KLING_MCP_HTTP_TOKEN": "two words CANARY"}, "KLING_MCP_HTTP_TOKEN contains white space"),
        ({"KLING_MCP_HTTP_TOKEN": "${CANARY}"}, "KLING_MCP_HTTP_TOKEN holds a placeholder"),
        ({"KLING_MCP_ALLOWED_HOSTS": "*"}, "KLING_MCP_ALLOWED_HOSTS must list the host names"),
        ({"KLING_MCP_ALLOWED_HOSTS": "*.example.com"}, "KLING_MCP_ALLOWED_HOSTS must list the host names"),
        ({"KLING_MCP_ALLOWED_HOSTS": "https://kling.example.com"}, "KLING_MCP_ALLOWED_HOSTS must list"),
        ({"KLING_MCP_ALLOWED_HOSTS": "kling.example.com:*"}, "KLING_MCP_ALLOWED_HOSTS must list"),
        ({"KLING_MCP_ALLOWED_HOSTS": "kling.example.com/mcp"}, "KLING_MCP_ALLOWED_HOSTS must list"),
        ({"KLING_MCP_ALLOWED_ORIGINS": "*"}, "KLING_MCP_ALLOWED_ORIGINS must list the origins"),
        ({"KLING_MCP_ALLOWED_ORIGINS": "null"}, "KLING_MCP_ALLOWED_ORIGINS must list"),
        ({"KLING_MCP_ALLOWED_ORIGINS": "chat.example.com"}, "KLING_MCP_ALLOWED_ORIGINS must list"),
        ({"KLING_MCP_ALLOWED_ORIGINS": "https://chat.example.com/page"}, "KLING_MCP_ALLOWED_ORIGINS must list"),
        ({"KLING_MCP_ALLOWED_ORIGINS": "https://[::1"}, "KLING_MCP_ALLOWED_ORIGINS must list"),
        ({"KLING_MCP_ALLOWED_ORIGINS": "https://a.example:x"}, "KLING_MCP_ALLOWED_ORIGINS must list"),
        ({"KLING_MCP_MAX_REQUEST_MB": "0"}, "KLING_MCP_MAX_REQUEST_MB must be a whole number from 1 to 44"),
        ({"KLING_MCP_MAX_REQUEST_MB": "45"}, "KLING_MCP_MAX_REQUEST_MB must be a whole number from 1 to 44"),
        ({"KLING_MCP_CREATES_PER_MINUTE": "-1"}, "KLING_MCP_CREATES_PER_MINUTE must be a whole number"),
        ({"KLING_MCP_CREATES_PER_DAY": "many"}, "KLING_MCP_CREATES_PER_DAY must be a whole number"),
    ],
)
def test_invalid_hosting_settings_are_refused_by_name(environ: dict[str, str], told: str) -> None:
    said = refusal(**environ)
    assert told in said
    assert "CANARY" not in said


def test_page_on_hosting_names_settings_that_exist() -> None:
    page = (Path(__file__).parents[2] / "docs" / "hosting.md").read_text("utf-8")
    assert set(re.findall(r"KLING_\w+", page)) <= variables_read()


def test_token_that_can_be_guessed_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert read(KLING_MCP_HTTP_TOKEN="hunter2").token == "hunter2"
    assert "short enough to be guessed" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:8000", True),
        ("127.255.0.1", True),
        ("localhost", True),
        ("LOCALHOST:8000", True),
        ("::1", True),
        ("[::1]", True),
        ("[::1]:8000", True),
        ("0.0.0.0", False),  # noqa: S104 - what is to be told apart
        ("::", False),
        ("10.0.0.1", False),
        ("kling.example.com", False),
        ("localhost.example.com", False),
        ("127.0.0.1.example.com", False),
        ("", False),
    ],
)
def test_loopback_hosts_are_recognised(host: str, near: bool) -> None:
    assert is_loopback(host) is near
