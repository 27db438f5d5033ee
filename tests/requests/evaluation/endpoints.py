"""Two ways to talk to a model over HTTP: OpenAI's chat completions and Anthropic's messages.

Pure but for `ask`, which sends one request. It holds the key only to send it, and shows it nowhere.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp_types import Tool

Api = Literal["openai", "anthropic"]
Message = dict[str, Any]
_MAX_BYTES = 8_000_000
_TRIES = 3
_WAITS_FOR = {429, 503, 529}
_MAX_DELAY = 30.0
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class EndpointError(Exception):
    """The endpoint cannot be used, or answered what is no answer. `is_fatal`: no other request would fare better."""

    def __init__(self, message: str, *, is_fatal: bool = False) -> None:
        super().__init__(message)
        self.is_fatal = is_fatal


@dataclass(frozen=True, slots=True)
class WantedCall:
    """A call that the model asks for. `arguments` is None where they are no JSON object."""

    id: str
    tool: str
    arguments: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Reply:
    """One turn of the model. `said` is the turn as the API wants it back; tokens are -1 where it does not count."""

    text: str
    calls: tuple[WantedCall, ...]
    said: Message
    tokens_in: int = -1
    tokens_out: int = -1
    is_cut: bool = False


class Dialect(Protocol):
    """What differs between the two APIs."""

    @property
    def path(self) -> str:
        """What follows the base URL."""
        ...

    def headers(self, key: str) -> dict[str, str]:
        """How the key is sent; nothing where there is none."""
        ...

    def body(self, model: str, system: str, messages: Sequence[Message], tools: Sequence[Tool], most: int) -> Message:
        """The request for one turn of at most `most` tokens."""
        ...

    def read(self, body: bytes) -> Reply:
        """The turn. Raises ValueError for what is none."""
        ...

    def results(self, results: Sequence[tuple[WantedCall, str, bool]]) -> list[Message]:
        """What goes back for these calls: text, and whether it is an error."""
        ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address, a dialect and a key, which is in no representation of this object."""

    base_url: str
    dialect: Dialect
    model: str
    key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Refuse to send anything in the clear to another computer.

        Raises:
            EndpointError: the address is no https link, nor one of this computer.
        """
        parts = urlsplit(self.base_url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise EndpointError("--base-url must begin with https://, or name this computer", is_fatal=True)

    def ask(
        self, system: str, messages: Sequence[Message], tools: Sequence[Tool], *, most: int, deadline: float
    ) -> Reply:
        """One turn of the model; blocks. `deadline` is a time of `time.monotonic`, `most` a number of tokens.

        Raises:
            EndpointError: no connection, no time, a refusal, or an answer that cannot be read.
        """
        body = self.dialect.body(self.model, system, messages, tools, most)
        for left in reversed(range(_TRIES)):
            status, pause, answer = self._post(body, deadline)
            if status not in _WAITS_FOR or not left or time.monotonic() + pause > deadline:
                break
            time.sleep(pause)
        if status != 200:
            told = answer[:300].decode("utf-8", "replace")
            raise EndpointError(
                self._without_key(f"the endpoint answered {status}: {told}"), is_fatal=status in {401, 403, 404}
            )
        try:
            return self.dialect.read(answer)
        except ValueError as error:
            raise EndpointError(f"the endpoint's answer cannot be read ({type(error).__name__})") from None

    def _post(self, body: Message, deadline: float) -> tuple[int, float, bytes]:
        url = self.base_url.rstrip("/") + self.dialect.path
        headers = {"content-type": "application/json", **self.dialect.headers(self.key)}
        read = bytearray()
        try:
            left = max(0.05, deadline - time.monotonic())
            with httpx.stream("POST", url, headers=headers, json=body, timeout=left) as response:
                for chunk in response.iter_bytes():
                    read += chunk
                    if len(read) > _MAX_BYTES or time.monotonic() > deadline:
                        raise EndpointError("the endpoint's answer is too long or too slow")
        except httpx.TimeoutException:
            raise EndpointError("no answer in the time that is left") from None
        except httpx.HTTPError as error:
            told = self._without_key(f"no answer from the endpoint ({type(error).__name__}: {error})")
            raise EndpointError(told, is_fatal=isinstance(error, httpx.ConnectError)) from None
        return response.status_code, _pause(response.headers.get("retry-after", "")), bytes(read)

    def _without_key(self, text: str) -> str:
        return text.replace(self.key, "[hidden]") if self.key else text


def _pause(retry_after: str) -> float:
    return min(_MAX_DELAY, float(retry_after)) if retry_after.isdecimal() else 2.0


# ---- OpenAI


class _Usage(BaseModel):
    prompt_tokens: int = -1
    completion_tokens: int = -1


class _Function(BaseModel):
    name: str
    arguments: str = "{}"


class _ToolCall(BaseModel):
    id: str
    function: _Function


class _Message(BaseModel):
    content: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Completion(BaseModel):
    choices: list[_Choice]
    usage: _Usage | None = None


@dataclass(frozen=True, slots=True)
class OpenAI:
    """Chat completions. `limit_field` is `max_tokens`, or `max_completion_tokens` for models that want that."""

    limit_field: str = "max_tokens"
    path: str = "/chat/completions"

    def headers(self, key: str) -> dict[str, str]:
        """See `Dialect`."""
        return {"authorization": f"Bearer {key}"} if key else {}

    def body(self, model: str, system: str, messages: Sequence[Message], tools: Sequence[Tool], most: int) -> Message:
        """See `Dialect`."""
        functions = [
            {"name": tool.name, "description": tool.description or "", "parameters": tool.input_schema}
            for tool in tools
        ]
        return {
            "model": model,
            "messages": [{"role": "system", "content": system}, *messages],
            "tools": [{"type": "function", "function": function} for function in functions],
            self.limit_field: most,
        }

    def read(self, body: bytes) -> Reply:
        """See `Dialect`."""
        completion = _Completion.model_validate_json(body)
        choice = completion.choices[0] if completion.choices else _Choice(message=_Message())
        calls = choice.message.tool_calls or []
        said: Message = {"role": "assistant", "content": choice.message.content}
        if calls:
            said["tool_calls"] = [{**call.model_dump(), "type": "function"} for call in calls]
        usage = completion.usage or _Usage()
        return Reply(
            text=choice.message.content or "",
            calls=tuple(
                WantedCall(call.id, call.function.name, _read_arguments(call.function.arguments)) for call in calls
            ),
            said=said,
            tokens_in=usage.prompt_tokens,
            tokens_out=usage.completion_tokens,
            is_cut=choice.finish_reason == "length",
        )

    def results(self, results: Sequence[tuple[WantedCall, str, bool]]) -> list[Message]:
        """See `Dialect`."""
        return [{"role": "tool", "tool_call_id": call.id, "content": text} for call, text, _ in results]


def _read_arguments(text: str) -> dict[str, Any] | None:
    try:
        arguments = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return None
    return arguments if isinstance(arguments, dict) else None


# ---- Anthropic


class _Counted(BaseModel):
    input_tokens: int = -1
    output_tokens: int = -1
    cache_creation_input_tokens: int | None = 0
    cache_read_input_tokens: int | None = 0


class _Answered(BaseModel):
    content: list[dict[str, Any]]
    stop_reason: str | None = None
    usage: _Counted | None = None


@dataclass(frozen=True, slots=True)
class Anthropic:
    """Messages."""

    path: str = "/v1/messages"

    def headers(self, key: str) -> dict[str, str]:
        """See `Dialect`."""
        return {"anthropic-version": "2023-06-01", **({"x-api-key": key} if key else {})}

    def body(self, model: str, system: str, messages: Sequence[Message], tools: Sequence[Tool], most: int) -> Message:
        """See `Dialect`."""
        return {
            "model": model,
            "system": system,
            "messages": list(messages),
            "tools": [
                {"name": tool.name, "description": tool.description or "", "input_schema": tool.input_schema}
                for tool in tools
            ],
            "max_tokens": most,
        }

    def read(self, body: bytes) -> Reply:
        """See `Dialect`."""
        answered = _Answered.model_validate_json(body)
        blocks = answered.content
        usage = answered.usage or _Counted()
        cached = (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
        return Reply(
            text="\n".join(str(block.get("text", "")) for block in blocks if block.get("type") == "text"),
            calls=tuple(
                WantedCall(str(block.get("id", "")), str(block.get("name", "")), _as_object(block.get("input")))
                for block in blocks
                if block.get("type") == "tool_use"
            ),
            said={"role": "assistant", "content": blocks},
            tokens_in=usage.input_tokens + cached,
            tokens_out=usage.output_tokens,
            is_cut=answered.stop_reason == "max_tokens",
        )

    def results(self, results: Sequence[tuple[WantedCall, str, bool]]) -> list[Message]:
        """See `Dialect`."""
        blocks = [
            {"type": "tool_result", "tool_use_id": call.id, "content": text, "is_error": is_error}
            for call, text, is_error in results
        ]
        return [{"role": "user", "content": blocks}]


def _as_object(value: object) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None
