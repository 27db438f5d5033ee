"""The vendors of other servers as far as a session needs them: one HTTP server on this computer, which forgets all.

Answers hold the fields that the vendors document and nothing more, so that the other servers are not made to look
dearer than they are. Every task is ready when it is asked for.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

SOUND = b"ID3\x04" + bytes(2000)
_OK = {"base_resp": {"status_code": 0, "status_msg": "success"}}


class FakeApis(ThreadingHTTPServer):
    """`requests` are what was asked for by task."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: dict[str, Any] = {}

    @property
    def address(self) -> str:
        """Such as `http://127.0.0.1:4711`."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def remember(self, task_id: str, body: Mapping[str, Any]) -> str:
        """A new task."""
        self.requests[task_id] = dict(body)
        return task_id


@contextmanager
def serving() -> Iterator[FakeApis]:
    """Served by a thread until the block ends."""
    apis = FakeApis()
    threading.Thread(target=apis.serve_forever, daemon=True).start()
    try:
        yield apis
    finally:
        apis.shutdown()
        apis.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Which vendor is meant is known by the path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """A read."""
        self._answer({})

    def do_POST(self) -> None:
        """A creation, or a read by one who posts everything."""
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self._answer(json.loads(body) if body.startswith(b"{") else {})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base has it
        """Nothing is printed beside the tables."""

    def _answer(self, body: Mapping[str, Any]) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        answer = _reply(cast("FakeApis", self.server), url.path, query, body)
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(200 if answer is not None else 404)
        self.send_header("content-type", "audio/mpeg" if isinstance(answer, bytes) else "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _reply(
    apis: FakeApis, path: str, query: Mapping[str, str], body: Mapping[str, Any]
) -> dict[str, Any] | bytes | None:
    """What the vendor of this path says; None for what no session asks."""
    answer: dict[str, Any] | bytes | None = None
    match path.strip("/").split("/"):
        case ["kling", "videos"]:
            answer = {"task_id": apis.remember(str(uuid.uuid4()), body)}
        case ["kling", "tasks"]:
            answer = _relayed(str(body["id"]), apis.requests[str(body["id"])])
        case ["v1", "video_generation"]:
            answer = {"task_id": apis.remember(str(uuid.uuid4().int)[:15], body), **_OK}
        case ["v1", "query", "video_generation"]:
            answer = {"task_id": query["task_id"], "status": "Success", "file_id": query["task_id"][::-1], **_OK}
        case ["v1", "files", "retrieve"]:
            answer = {"file": {"file_id": query["file_id"], "download_url": _link(query["file_id"])}, **_OK}
        case ["v1", "sound-generation"]:
            answer = SOUND
        case ["estimate", *_]:
            answer = {"type": "estimate", "usd": "0.42", "credits": "6.0"}
        case ["requests", task_id, "status"]:
            answer = {"status": "completed", "request_id": task_id, "video": {"url": _link(task_id)}}
        case ["kling" | "kling-ai" | "kwaivgi" | "bytedance", *_]:
            answer = {"status": "queued", "request_id": apis.remember(str(uuid.uuid4()), body)}
    return answer


def _relayed(task_id: str, request: object) -> dict[str, Any]:
    """A task as the vendor behind `mcp-kling` tells it: with the request, and with what Kling said."""
    response = {
        "success": True,
        "task_id": task_id,
        "state": "succeed",
        "video_id": str(uuid.uuid5(uuid.NAMESPACE_OID, task_id)),
        "video_url": _link(task_id),
        "duration": "5.041",
    }
    return {"id": task_id, "request": request, "response": response}


def _link(name: str) -> str:
    """As long as a short one."""
    return f"https://media.example.com/outputs/2026/11/{name}/output.mp4"
