"""The body of a request as it goes out: JSON, with pictures turned into Base64 piece by piece.

A creation may carry four pictures of 10 MB. As one JSON text they would be held three times over: as bytes, as
Base64, and inside the body. Here they stay the bytes that were read and checked, once; their Base64 exists for one
piece at a time. So what is sent is what was checked, whatever becomes of the file, and it can be sent again.

Pure: nothing is read from disk and nothing is sent here.
"""

from __future__ import annotations

import json
import secrets
from binascii import b2a_base64
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Mapping

# Of a picture's bytes; a multiple of three, so that only the last piece is padded. Encoding one takes a fraction of
# a millisecond, during which nothing else runs.
PIECE_BYTES = 192 * 1024


class RequestBody:
    """A JSON object whose `bytes` values stand for their bare Base64 text. fact: base64-bare

    Take its pieces as often as it is to be sent; they are always the same.
    """

    def __init__(self, body: Mapping[str, Any]) -> None:
        """Raises TypeError or ValueError for what JSON cannot hold."""
        # No text of a caller can contain it by chance or on purpose.
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
        """The body in order. No piece of a picture is larger than the Base64 of PIECE_BYTES."""
        for text, picture in zip(self._texts, self._pictures, strict=False):
            yield text
            whole = memoryview(picture)
            for start in range(0, len(whole), PIECE_BYTES):
                yield b2a_base64(whole[start : start + PIECE_BYTES], newline=False)
        yield self._texts[-1]

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The same for httpx, which awaits the network between the pieces."""
        for piece in self.chunks():
            yield piece
