"""Fixtures of the tests that read local pictures: an allowed folder, and the policy that allows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kling_mcp.media.policy import MediaPolicy


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """The one allowed folder."""
    folder = tmp_path / "album"
    folder.mkdir()
    return folder


@pytest.fixture
def policy(album: Path) -> MediaPolicy:
    """Reading is allowed inside the album only."""
    return MediaPolicy(allowed_dirs=(album,))
