"""The body of a request: JSON, with pictures streamed as Base64.

A creation may carry four pictures of 10 MB. As one JSON text they would be in memory three times: as bytes, as
Base64, and in the body. Here only the bytes that were checked stay in memory, and Base64 exists one chunk at a time.
So what is sent is what was checked, whatever happens to the file, and it can be sent again.

Pure: nothing is read from disk and nothing is sent here.
"""

from __future__ import annotations

import json
import secrets
from binascii import b2a_base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping

# A multiple of three, so that only the last chunk is padded. Encoding one blocks the event loop for a fraction of a
# millisecond.
PIECE_BYTES = 192 * 1024
_ON_THE_WIRE = PIECE_BYTES // 3 * 4
_WORTH_TELLING = 100_000  # less is sent before anybody could read how much


@dataclass(slots=True)
class Upload:
    """How much of a request's body the network has taken, in bytes; `total` is 0 until it begins."""

    sent: int = 0
    total: int = 0

    def __str__(self) -> str:
        """`3.1 of 6.5 MB`; "" for a body that is too small to be watched."""
        return f"{self.sent / 1e6:.1f} of {self.total / 1e6:.1f} MB" if self.total >= _WORTH_TELLING else ""


class RequestBody:
    """A JSON object whose `bytes` values are sent as bare Base64 text. fact: base64-bare

    It can be sent any number of times; the chunks are always the same.
    """

    def __init__(self, body: Mapping[str, Any]) -> None:
        """Raises TypeError or ValueError for values that JSON cannot hold."""
        # Random, so that no caller's text can contain it.
        place = secrets.token_hex(16)
        pictures: list[bytes] = []

        def leave_out(value: object) -> str:
            if not isinstance(value, bytes):
                raise TypeError(f"{type(value).__name__} cannot be written as JSON")
            pictures.append(value)
            return place

        text = json.dumps(body, default=leave_out, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        self._texts = [part.encode() for part in text.split(place)]
        self._pictures = pictures

    def __len__(self) -> int:
        """How many bytes it is on the wire."""
        return sum(map(len, self._texts)) + sum((len(picture) + 2) // 3 * 4 for picture in self._pictures)

    def chunks(self) -> Iterator[bytes]:
        """The body in order. No chunk is larger than the Base64 of PIECE_BYTES."""
        for text, picture in zip(self._texts, self._pictures, strict=False):
            yield from _cut(text)
            whole = memoryview(picture)
            for start in range(0, len(whole), PIECE_BYTES):
                yield b2a_base64(whole[start : start + PIECE_BYTES], newline=False)
        yield from _cut(self._texts[-1])

    async def stream(self, upload: Upload | None = None) -> AsyncGenerator[bytes, None]:
        """The same for httpx, which awaits the network between chunks. `upload` follows it."""
        upload = upload or Upload()
        upload.sent, upload.total = 0, len(self)
        for piece in self.chunks():
            yield piece
            upload.sent += len(piece)


def _cut(text: bytes) -> Iterator[bytes]:
    """Pictures may also be given as Base64 text, which is as long."""
    for start in range(0, len(text), _ON_THE_WIRE):
        yield text[start : start + _ON_THE_WIRE]
