"""Local pictures are read from one allowed folder here, and stores have threads: several processes share a folder."""

from typing import Any

import pytest
from allowed_folder import album, policy
from virtual_time import VirtualLoop

__all__ = ["album", "policy"]


@pytest.fixture
def anyio_backend() -> Any:
    return "asyncio", {"loop_factory": VirtualLoop}
