"""Servers that a client with the Tasks extension talks to; several may share one state folder, one after another."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from mcp import Client
from mcp.client.session import ElicitationFnT
from virtual_time import VirtualClock

from kling_mcp.runtime import Runtime
from kling_mcp.server.build import build_server
from kling_mcp.server.mcp_tasks.extension import TasksExtension
from kling_mcp.settings import Settings
from kling_mcp.simulator import Faults, SimulatorTransport, World
from mcp_tasks.client import DeclaresTasks

Start = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def start(settings: Settings, clock: VirtualClock, world: World, faults: Faults) -> Start:
    """`start(**settings)`: a server on the same state and the same Kling, and a client that declares tasks, or not."""

    @asynccontextmanager
    async def started(
        *,
        owner: str = "",
        declares_tasks: bool = True,
        tools: Sequence[Callable[..., Any]] = (),
        tasks: TasksExtension | None = None,
        runtimes: list[Runtime] | None = None,
        elicitation: ElicitationFnT | None = None,
        **changes: Any,
    ) -> AsyncIterator[Client]:
        chosen = dataclasses.replace(settings, **changes)
        runtime = Runtime(chosen, clock=clock, owner=owner, make_transport=lambda: SimulatorTransport(world, faults))
        if runtimes is not None:
            runtimes.append(runtime)
        server = build_server(chosen, runtime, tasks=tasks)
        for tool in tools:
            server.add_tool(tool)
        extensions = [DeclaresTasks()] if declares_tasks else []
        async with Client(server, extensions=extensions, elicitation_callback=elicitation) as client:
            yield client

    return started
