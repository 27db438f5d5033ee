"""A scripted model behind a real HTTP server on this computer, in both dialects; it stands in for what costs money.

It keeps what it was sent, so that a test can look for what must and must not be there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType


@dataclass(frozen=True, slots=True)
class Turn:
    """What the model says and calls: tool and arguments, a text where they are to be no JSON object."""

    text: str = ""
    calls: tuple[tuple[str, dict[str, Any] | str], ...] = ()
    tokens: int | None = 10
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer that is no turn. `held` keeps it back until the endpoint is closed."""

    status: int = 200
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    held: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """The conversation as the model sees it: the user's words, its own number of turns, and the last results.

    `texts` are what the server says of itself and of its tools.
    """

    says: str
    turns: int
    results: tuple[str, ...]
    texts: str


Model = Callable[[Heard], Turn | Raw]


@dataclass(slots=True)
class FakeEndpoint:
    """`with FakeEndpoint(model) as endpoint:` serves at `endpoint.url`; `asked` are the requests, in order."""

    model: Model
    asked: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Where it listens, with the `/v1` that such addresses end with."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                endpoint.asked.append((self.path, {name.lower(): text for name, text in self.headers.items()}, body))
                raw = endpoint.answer(self.path, body)
                if raw.held:
                    endpoint.closing.wait(10)
                    return
                content = raw.body.encode()
                self.send_response(raw.status)
                for name, text in (*raw.headers, ("content-length", str(len(content)))):
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Say nothing on stderr."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False  # closing waits for the answers under way
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, body: dict[str, Any]) -> Raw:
        """The model's turn in the dialect of this path."""
        if path == "/v1/chat/completions":
            turn = self.model(_heard_by_openai(body))
            return turn if isinstance(turn, Raw) else Raw(body=json.dumps(_as_completion(turn)))
        if path == "/v1/messages":
            turn = self.model(_heard_by_anthropic(body))
            return turn if isinstance(turn, Raw) else Raw(body=json.dumps(_as_message(turn)))
        return Raw(404, "no such path")


def _heard_by_openai(body: dict[str, Any]) -> Heard:
    messages = body["messages"]
    spoken = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    last = messages[spoken[-1] + 1 :] if spoken else []
    texts = json.dumps([messages[0]["content"], body["tools"]])
    return Heard(messages[1]["content"], len(spoken), tuple(message["content"] for message in last), texts)


def _heard_by_anthropic(body: dict[str, Any]) -> Heard:
    messages = body["messages"]
    last = messages[-1]["content"] if len(messages) > 1 else []
    texts = json.dumps([body["system"], body["tools"]])
    return Heard(messages[0]["content"], len(messages) // 2, tuple(block["content"] for block in last), texts)


def _as_completion(turn: Turn) -> dict[str, Any]:
    calls = [
        {
            "id": f"call_{place}",
            "type": "function",
            "function": {
                "name": tool,
                "arguments": arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False),
            },
        }
        for place, (tool, arguments) in enumerate(turn.calls)
    ]
    message = {"role": "assistant", "content": turn.text or None, "tool_calls": calls or None, "refusal": None}
    reason = "length" if turn.is_cut else "tool_calls" if calls else "stop"
    usage = None if turn.tokens is None else {"prompt_tokens": turn.tokens, "completion_tokens": 1}
    return {"id": "1", "choices": [{"index": 0, "message": message, "finish_reason": reason}], "usage": usage}


def _as_message(turn: Turn) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = [{"type": "text", "text": turn.text}] if turn.text else []
    blocks += [
        {"type": "tool_use", "id": f"toolu_{place}", "name": tool, "input": arguments}
        for place, (tool, arguments) in enumerate(turn.calls)
    ]
    reason = "max_tokens" if turn.is_cut else "tool_use" if turn.calls else "end_turn"
    usage = None if turn.tokens is None else {"input_tokens": turn.tokens, "output_tokens": 1}
    return {"type": "message", "role": "assistant", "content": blocks, "stop_reason": reason, "usage": usage}
