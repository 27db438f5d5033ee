"""Local pictures are read from one allowed folder here."""

from allowed_folder import album, policy

__all__ = ["album", "policy"]
