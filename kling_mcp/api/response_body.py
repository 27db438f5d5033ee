"""Takes a reply out of its wrapping, never more of it than there is room for. Pure: pieces in, bytes out.

httpx would unpack each piece as a whole, and one wrapping inside the other: a reply of a few kilobytes could fill
the memory. It is only asked for gzip, once, and nobody honest answers with more.
"""

from __future__ import annotations

import zlib

ACCEPTED = "gzip"
_WITH_GZIP_HEADER = 16 + zlib.MAX_WBITS


class GzipError(Exception):
    """The wrapping is damaged, or not one that was asked for."""


class GzipReader:
    """Unpacks one reply piece by piece.

    Args:
        encoding: the `Content-Encoding` header; "" for none.

    Raises:
        GzipError: it is neither gzip nor nothing.
    """

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        if name not in {"", "identity", "gzip", "x-gzip"}:
            raise GzipError("an encoding that was not asked for")
        self._gzip = zlib.decompressobj(_WITH_GZIP_HEADER) if name in {"gzip", "x-gzip"} else None

    def take(self, piece: bytes, room: int) -> bytes:
        """What the piece holds, or the first bytes of it: `room` of them mean that there may be more.

        Raises:
            GzipError: it is damaged.
        """
        if self._gzip is None:
            return piece[:room]
        if self._gzip.eof:
            raise GzipError("something behind its end")  # zlib would collect it
        try:
            return self._gzip.decompress(piece, room)
        except zlib.error as error:
            raise GzipError("damaged gzip") from error

    def finish(self) -> None:
        """Nothing more comes.

        Raises:
            GzipError: the end is missing.
        """
        if self._gzip is not None and not self._gzip.eof:
            raise GzipError("cut gzip")
