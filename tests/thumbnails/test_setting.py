"""The setting that keeps thumbnails off the disk."""

from __future__ import annotations

import pytest

from kling_mcp.errors import ConfigurationError
from kling_mcp.settings import Settings


@pytest.mark.parametrize(("value", "kept"), [("", True), ("1", True), ("true", True), ("0", False), ("off", False)])
def test_thumbnails_are_kept_unless_switched_off(value: str, kept: bool) -> None:
    assert Settings.from_env({"KLING_MCP_THUMBNAILS": value}).thumbnails is kept


def test_unknown_word_for_thumbnails_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="KLING_MCP_THUMBNAILS must be 1 or 0"):
        Settings.from_env({"KLING_MCP_THUMBNAILS": "small"})
