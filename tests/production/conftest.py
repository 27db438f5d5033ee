"""A folder with pictures and sheets, from which everything is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from allowed_folder import album, policy
from media.pictures import jpeg

from kling_mcp.media.policy import MediaPolicy
from production.studio import Studio

__all__ = ["album", "policy"]


@pytest.fixture
def studio(album: Path, policy: MediaPolicy) -> Studio:
    """With pictures of Pip and a harbour."""
    folder = album / "pictures"
    folder.mkdir()
    for shade, name in enumerate(("pip-front", "pip-side", "harbour", "harbour-left", "harbour-right"), start=60):
        (folder / f"{name}.jpg").write_bytes(jpeg(shade=shade))
    return Studio(album, policy)
