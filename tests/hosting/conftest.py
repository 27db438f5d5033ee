"""A hosted server for each test, with whatever settings the test names."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from virtual_time import VirtualClock

from hosting.http_server import House, served
from kling_mcp.simulator import Faults, World

Serve = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture
def world(clock: VirtualClock) -> World:
    """A Kling that lets every API key in, each with an account of its own."""
    return World(clock.wall, any_api_key=True)


@pytest.fixture
def serve(world: World, clock: VirtualClock, faults: Faults, tmp_path: Path) -> Serve:
    """`serve(hosting=HostingSettings(...), read_only=True)`: a server on the same state and the same Kling."""

    def serving(**changes: Any) -> AbstractAsyncContextManager[House]:
        return served(world, clock, **{"state_dir": tmp_path / "state", "faults": faults, **changes})

    return serving
