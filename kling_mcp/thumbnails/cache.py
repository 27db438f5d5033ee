"""Where thumbnails are kept: a folder of one account, or memory where state ends with the process.

A cache holds small JPEGs of our own making under names of ours; it fetches and decodes nothing.
Whatever goes wrong with the disk, a thumbnail is only missing: nothing here raises OSError.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

FOLDER_NAME = "thumbnails"
MAX_FILES = 5_000  # near 60 MB
MAX_IN_MEMORY = 500
_TIDY_EVERY = 200  # puts
_MAX_BYTES = 100_000
_JPEG_START = b"\xff\xd8\xff"


class ThumbnailCache(Protocol):
    """Thumbnails by key. Keys are texts of any form; the least lately put ones go when it is full."""

    def get(self, key: str) -> bytes:
        """The thumbnail, or b""."""
        ...

    def put(self, key: str, jpeg: bytes) -> None:
        """Keep it, in place of what was there."""
        ...


class MemoryThumbnailCache:
    """Thumbnails that end with the process: the sandbox's."""

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
    """One file for each thumbnail, readable for its owner alone. Call it from a worker thread."""

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
            with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                file.write(jpeg)
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    def _tidy(self) -> None:
        """Let go of the oldest beyond the limit, and of what a crash left half written."""
        with suppress(OSError):
            found = [(path.stat().st_mtime, path) for path in self._folder.iterdir()]
            for _, path in sorted(found, reverse=True)[self._most :]:
                path.unlink(missing_ok=True)


def _file_name(text: str) -> str:
    """A name that no id can leave the folder with."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
