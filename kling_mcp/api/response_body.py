"""Decompresses a reply, never beyond a size limit. Pure: chunks in, bytes out.

httpx would decompress each chunk as a whole, and nested encodings too: a reply of a few kilobytes could fill the
memory. Only a single gzip layer is requested, and no honest server sends more.
"""

from __future__ import annotations

import zlib

ACCEPTED = "gzip"
_WITH_GZIP_HEADER = 16 + zlib.MAX_WBITS


class GzipError(Exception):
    """The encoding is damaged, or was not requested."""


class GzipReader:
    """Decompresses one reply chunk by chunk.

    Args:
        encoding: the `Content-Encoding` header; "" for none.

    Raises:
        GzipError: the encoding is neither gzip nor none.
    """

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        if name not in {"", "identity", "gzip", "x-gzip"}:
            raise GzipError("an encoding that was not asked for")
        self._gzip = zlib.decompressobj(_WITH_GZIP_HEADER) if name in {"gzip", "x-gzip"} else None

    def take(self, piece: bytes, room: int) -> bytes:
        """At most `room` bytes of the decompressed chunk; exactly `room` means that there may be more.

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
        """Check that the reply is complete.

        Raises:
            GzipError: the end is missing.
        """
        if self._gzip is not None and not self._gzip.eof:
            raise GzipError("cut gzip")
