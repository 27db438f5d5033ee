"""Where thumbnails are kept: a folder per account, or memory for the sandbox.

It stores small JPEGs made here, under names made here; it fetches and decodes nothing.
If the disk fails, a thumbnail is only missing: nothing here raises OSError.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from kling_mcp.concurrency.shared_files import replace_file

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

FOLDER_NAME = "thumbnails"
MAX_FILES = 5_000  # near 60 MB
MAX_IN_MEMORY = 500
_TIDY_EVERY = 200  # puts
_MAX_BYTES = 100_000
_CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
_JPEG_START = b"\xff\xd8\xff"


class ThumbnailCache(Protocol):
    """Thumbnails by key. Any text can be a key; the oldest entries go when the cache is full."""

    def get(self, key: str) -> bytes:
        """The thumbnail, or b""."""
        ...

    def put(self, key: str, jpeg: bytes) -> None:
        """Store it, replacing any earlier one."""
        ...


class MemoryThumbnailCache:
    """Thumbnails in memory, for the sandbox."""

    def __init__(self, most: int = MAX_IN_MEMORY) -> None:
        self._kept: dict[str, bytes] = {}
        self._most = most

    def get(self, key: str) -> bytes:
        """See `ThumbnailCache.get`."""
        return self._kept.get(key, b"")

    def put(self, key: str, jpeg: bytes) -> None:
        """See `ThumbnailCache.put`."""
        self._kept.pop(key, None)
        self._kept[key] = jpeg
        while len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]


class FileThumbnailCache:
    """One file per thumbnail, readable only by its owner. Call it from a worker thread."""

    def __init__(self, state_dir: Path, account: str, most: int = MAX_FILES) -> None:
        """Nothing is opened or made here.

        Args:
            account: the account's fingerprint; no two accounts see each other's pictures.
        """
        self._folder = state_dir / FOLDER_NAME / _file_name(account)
        self._most = most
        self._puts = 0

    def get(self, key: str) -> bytes:
        """See `ThumbnailCache.get`."""
        try:
            with (self._folder / f"{_file_name(key)}.jpg").open("rb") as file:
                jpeg = file.read(_MAX_BYTES + 1)
        except OSError:
            return b""
        return jpeg if jpeg.startswith(_JPEG_START) and len(jpeg) <= _MAX_BYTES else b""

    def put(self, key: str, jpeg: bytes) -> None:
        """See `ThumbnailCache.put`."""
        try:
            self._write(self._folder / f"{_file_name(key)}.jpg", jpeg)
        except OSError as error:
            logger.info("A thumbnail could not be kept: %s", error)
            return
        if self._puts % _TIDY_EVERY == 0:
            self._tidy()
        self._puts += 1

    def _write(self, path: Path, jpeg: bytes) -> None:
        for folder in (self._folder.parent.parent, self._folder.parent, self._folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f"{path.stem}.{secrets.token_hex(4)}.part")
        try:
            with os.fdopen(os.open(draft, _CREATE_FLAGS, 0o600), "wb") as file:
                file.write(jpeg)
            replace_file(lambda: draft.replace(path))
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    def _tidy(self) -> None:
        """Delete the oldest files beyond the limit, and files that a crash left half written."""
        with suppress(OSError):
            found = [(path.stat().st_mtime, path) for path in self._folder.iterdir()]
            for _, path in sorted(found, reverse=True)[self._most :]:
                path.unlink(missing_ok=True)


def _file_name(text: str) -> str:
    """A file name that cannot leave the folder, whatever the id."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
