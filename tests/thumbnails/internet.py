"""A small internet for the fetcher: names with addresses, and hosts that answer; nothing leaves this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import httpx

from kling_mcp.thumbnails.fetch import FetchLimits, PictureFetcher

Answer = Callable[[httpx.Request], httpx.Response]

PUBLIC = "93.184.216.34"
ALSO_PUBLIC = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"


@dataclass
class Internet:
    """`names` maps a name to the addresses of its first, second, … look-up; the last one stays.

    `answers` maps a name to what its host says. `asked` are the look-ups, `connections` the addresses to which a
    connection was opened, both in order.
    """

    names: dict[str, list[Sequence[str]]] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    unreachable: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)

    @property
    def connections(self) -> list[str]:
        return [request.url.host for request in self.requests]

    def host(self, name: str, answer: Answer, *addresses: Sequence[str]) -> None:
        self.names[name] = list(addresses or [[PUBLIC]])
        self.answers[name] = answer

    def fetcher(self, limits: FetchLimits | None = None) -> PictureFetcher:
        return PictureFetcher(
            resolve=self.resolve, make_transport=lambda: httpx.MockTransport(self.answer), limits=limits
        )

    async def resolve(self, name: str) -> list[str]:
        known = self.names.get(name)
        if known is None:
            raise OSError(-2, "Name or service not known")
        place = min(self.asked.count(name), len(known) - 1)
        self.asked.append(name)
        return list(known[place])

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if request.url.host in self.unreachable:
            raise httpx.ConnectError("No route to host", request=request)
        return self.answers[request.headers["host"]](request)


class Body(httpx.AsyncByteStream):
    """A body as it comes from a network: in pieces, tiny ones at first, where a picture is recognised."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        start = 0
        while start < len(self._content):
            end = start + (7 if start < 1_000 else 1_400)
            yield self._content[start:end]
            start = end


def picture(content: bytes, content_type: str = "image/jpeg") -> Answer:
    """A host that answers every request with these bytes."""
    return lambda _request: httpx.Response(200, stream=Body(content), headers={"content-type": content_type})


def redirect(*targets: str, status: int = 302) -> Answer:
    """A host that redirects to each target in turn, then to the last one for ever."""
    left = list(targets)

    def answer(_request: httpx.Request) -> httpx.Response:
        target = left.pop(0) if len(left) > 1 else left[0]
        return httpx.Response(status, headers=[(b"location", target.encode())])

    return answer
