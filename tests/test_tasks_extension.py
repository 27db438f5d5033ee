"""Tasks: a call that takes long leaves a handle, and the handle outlives the server."""

from __future__ import annotations

import pytest
from task_client import DeclaresTasks, TaskCreated, call, get, until

pytestmark = pytest.mark.anyio

async def test_x(connect, creation, world, faults):
    async with connect("auto") as c:
        print(c)
