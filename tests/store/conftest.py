"""The state on the disk, in the thread that a server gives it."""

from __future__ import annotations

from typing import Any

import pytest
from virtual_time import VirtualLoop


@pytest.fixture
def anyio_backend() -> Any:
    return "asyncio", {"loop_factory": VirtualLoop}
