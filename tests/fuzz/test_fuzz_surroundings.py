"""What else comes from outside: cursors, settings, addresses of resources, half-typed words."""

from __future__ import annotations

import base64
import json
from functools import partial
from typing import Any

from helpers import API_KEY, structured
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import PromptReference, ResourceTemplateReference
from profiles import fuzzing

from fuzz.guards import ends, run
from fuzz.messages import uris
from fuzz.served import Served, served
from fuzz.values import DIRECTIONS, LAST_LINES, anything, ids, texts
from kling_mcp.errors import ConfigurationError
from kling_mcp.server.build import build_server
from kling_mcp.server.stdio import build_anyway
from kling_mcp.settings import Settings

SEARCHES = [("find_elements", {"source": "all", "limit": 1}), ("find_voices", {"limit": 1})]


def packed(value: object) -> str:
    """As cursors are."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


positions = st.dictionaries(
    st.sampled_from(["s", "l", "p", "v", "x"]), st.one_of(st.integers(), ids, st.floats(), st.none()), max_size=4
)


@fuzzing(8)
@given(
    search=st.sampled_from(SEARCHES),
    position=positions,
    cut=st.integers(-40, 40),
    odd=st.one_of(texts, anything.map(packed), st.sampled_from(["A" * 100_000, packed([[]] * 200), "=" * 10])),
)
def test_any_cursor_leads_on_or_is_refused(
    search: tuple[str, dict[str, Any]], position: dict[str, Any], cut: int, odd: str
) -> None:
    name, arguments = search

    async def story() -> None:
        async with served() as server:
            given = structured(await server.call(name, arguments))["next_cursor"]
            bound_to, _ = json.loads(base64.urlsafe_b64decode(given + "=" * (-len(given) % 4)))
            for cursor in (packed([bound_to, position]), given[:cut], given + odd[:5], odd):
                await server.call(name, {**arguments, "cursor": cursor})

    run(story)


@fuzzing(6)
@given(uri=uris, name=texts, typed=texts, words=st.dictionaries(texts, texts, max_size=3))
def test_any_resource_prompt_or_half_typed_word_gets_an_answer(
    uri: str, name: str, typed: str, words: dict[str, str]
) -> None:
    async def story() -> None:
        async with served() as server:
            await server.ask(lambda: server.client.read_resource(uri))
            for prompt in [*(prompt.name for prompt in (await server.client.list_prompts()).prompts), name]:
                await server.ask(partial(server.client.get_prompt, prompt, words))
                await complete(server, PromptReference(type="ref/prompt", name=prompt), typed)
            for template in ("kling://elements/{id}", uri):
                await complete(server, ResourceTemplateReference(type="ref/resource", uri=template), typed)

    run(story)


async def complete(server: Served, reference: PromptReference | ResourceTemplateReference, typed: str) -> None:
    """Ask what may follow; nothing that is offered may be a trap."""
    for argument in ("id", "names", "tag", typed):
        half = {"name": argument, "value": typed}
        answer = await server.ask(partial(server.client.complete, reference, half))
        for value in answer.completion.values if answer else []:
            assert not set(value) & set(f"\0{DIRECTIONS}")


VARIABLES = sorted(
    {
        *["KLING_API_KEY", "KLING_ACCESS_KEY", "KLING_SECRET_KEY", "KLING_API_KEY_FILE", "KLING_REGION"],
        *["KLING_BASE_URL", "KLING_MCP_SANDBOX", "KLING_MCP_READ_ONLY", "KLING_MCP_TOOLS", "KLING_MCP_MEDIA_DIRS"],
        *["KLING_MCP_STATE_DIR", "KLING_MCP_STATE_URL", "KLING_MCP_WAIT_SECONDS", "KLING_MCP_MAX_CREATES"],
        *["KLING_MCP_THUMBNAILS", "KLING_MCP_PUBLIC_URL", "KLING_WEBHOOK_SECRET", "KLING_MCP_HTTP_TOKEN"],
        *["KLING_MCP_SHARED_ACCOUNT", "KLING_MCP_ALLOWED_HOSTS", "KLING_MCP_ALLOWED_ORIGINS", "KLING_MCP_AUDIT_LOG"],
        *["KLING_MCP_MAX_REQUEST_MB", "KLING_MCP_CREATES_PER_DAY", "KLING_MCP_LOG_LEVEL", "KLING_MCP_LOG_FORMAT"],
        *["KLING_MCP_OAUTH_ISSUER", "KLING_MCP_OAUTH_JWKS_URL", "KLING_MCP_OAUTH_AUDIENCE", "KLING_MCP_OAUTH_SCOPES"],
    }
)
SECRET = {"KLING_API_KEY", "KLING_SECRET_KEY", "KLING_MCP_STATE_URL", "KLING_MCP_HTTP_TOKEN", "KLING_WEBHOOK_SECRET"}
# What a system can hold in a variable: no zero, but bytes that are no UTF-8.
settings_texts = st.one_of(
    st.binary(max_size=30).map(lambda data: data.replace(b"\0", b"").decode("utf-8", "surrogateescape")),
    texts.map(lambda text: text.replace("\0", "")),
    st.sampled_from(
        [
            *[
                "0",
                "1",
                "yes",
                "global",
                "china",
                "45",
                "-1",
                "9" * 30,
                "${KEY}",
                "$KEY",
                "%KEY%",
                "<key>",
                "~x/y",
                "~",
            ],
            *[
                "https://example.com",
                "https://[::1",
                "https://a:b@c",
                "http://127.0.0.1:99999",
                "https://\udcff/",
                "//",
            ],
            *["postgresql://u:p@h/d", "postgresql://[::1", "postgresql://u:p@h:x/d", "/dev/zero", "/", "/etc/passwd"],
            *["whsec_", "whsec_AAAA", "whsec_é", "Bearer x", '"key"', "ey.a.b", API_KEY, f" {API_KEY}", LAST_LINES],
            *["find_elements,get_element", "*", ",,,", "::1", "[::1]:1", "٣", "INFO", "json", "x" * 10_000],
        ]
    ),
)


@fuzzing(40)
@given(environ=st.dictionaries(st.sampled_from(VARIABLES), settings_texts, max_size=6))
def test_any_environment_makes_a_server_or_a_sentence(environ: dict[str, str]) -> None:
    with ends():
        settings, refusal = made_of(environ)
        tolerated = Settings.from_env(environ, tolerant=True)
        build_anyway(tolerated)
    assert tolerated.faults if refusal else tolerated == settings
    for told in tolerated.faults:
        require_good_sentence(told.sentence, environ)
    if settings is not None:
        assert API_KEY not in repr(settings)
    if refusal is not None:
        require_good_sentence(refusal.message, environ)


def require_good_sentence(sentence: str, environ: dict[str, str]) -> None:
    """It is one line, names a variable, and shows no secret."""
    assert sentence.count("\n") == 0
    assert len(sentence) < 1000
    assert "KLING_" in sentence  # which may be one that is missing
    open_ones = "".join(value for name, value in environ.items() if name not in SECRET)
    for secret in (environ.get(name, "").strip() for name in SECRET):
        assert len(secret) < 8 or secret in open_ones or secret not in sentence


def made_of(environ: dict[str, str]) -> tuple[Settings | None, ConfigurationError | None]:
    """The settings, and why they are none or make no server."""
    settings = None
    try:
        settings = Settings.from_env(environ)
        build_server(settings)
    except ConfigurationError as refusal:
        return settings, refusal
    return settings, None
