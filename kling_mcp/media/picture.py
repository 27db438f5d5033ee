"""One picture, checked and ready to send. Nothing here reads, checks or sends."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture, ready to send: either an https link, or the bytes exactly as they were given.

    `argument` says where it came from, such as `refer_images[1]` (counted from 0).
    `width` and `height` are pixels after EXIF rotation; with `format` they are known for bytes only.
    """

    argument: str
    link: str = ""
    data: bytes = field(default=b"", repr=False)
    width: int = 0
    height: int = 0
    format: str = ""

    def digest(self) -> str:
        """SHA-256 in hex over the bytes, or over the link's text."""
        return hashlib.sha256(self.data or self.link.encode()).hexdigest()

    def wire(self) -> str | bytes:
        """The link as given, or the bytes, which go out as bare Base64. fact: base64-bare"""
        return self.link or self.data

    def inline_bytes(self) -> int:
        """How many bytes of a request body the picture's Base64 takes; 0 for a link."""
        return (len(self.data) + 2) // 3 * 4
