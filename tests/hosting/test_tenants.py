"""Four tenants at once: whatever they ask, and however their calls interleave, each is answered with his own library.

The test is tested, too: with one variable that callers share, it must fail.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client
from mcp_types import ResourceTemplateReference
from profiles import IS_NIGHTLY
from virtual_time import VirtualClock

from hosting.http_server import OWN_KEY, Ear, House, creation, served
from kling_mcp.account import Account
from kling_mcp.api.auth import Credential
from kling_mcp.caller_credentials import read_caller_headers
from kling_mcp.runtime import Runtime
from kling_mcp.settings.values import Region
from kling_mcp.simulator import World

pytestmark = pytest.mark.anyio

CALLS, FEW_CALLS = 200 if IS_NIGHTLY else 100, 20
OWN_ELEMENTS = 4
SECRET = "a-secret-key-of-more-than-thirty-two-characters"
ELEMENT = ResourceTemplateReference(type="ref/resource", uri="kling://elements/{id}")


@dataclass(slots=True)
class Tenant:
    """Somebody with a library of his own, in which every text bears his mark."""

    mark: str
    credential: str
    headers: dict[str, str]
    era: str
    ids: list[str] = field(default_factory=list)
    answers: int = 0


def tenants() -> list[Tenant]:
    """Both kinds of credentials, both eras, and two whose keys look alike."""
    return [
        Tenant("anna", "key-1", {"X-Kling-Api-Key": "key-1"}, "auto"),
        Tenant("bert", "key-11", {"X-Kling-Api-Key": "key-11"}, "legacy"),
        Tenant("cleo", "pair-c", {"X-Kling-Access-Key": "pair-c", "X-Kling-Secret-Key": SECRET}, "auto"),
        Tenant("dora", "pair-d", {"X-Kling-Access-Key": "pair-d", "X-Kling-Secret-Key": SECRET}, "legacy"),
    ]


class Late(Ear):
    """A Kling whose answers take their time, so that calls overtake each other."""

    rng = random.Random(7)  # noqa: S311 - delays, the same in every run

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await anyio.sleep(self.rng.uniform(0, 2))
        response = await super().handle_async_request(request)
        await anyio.sleep(self.rng.uniform(0, 2))
        return response


class SharedVariable(Runtime):
    """What must never be: one variable for all callers. A caller alone would not notice."""

    current: tuple[Credential, Region | None] | None = None

    def account_of_caller(self, headers: Mapping[str, str] | None) -> Account:
        credential, region = read_caller_headers(headers or {})
        assert credential is not None
        before, self.current = self.current, (credential, region)
        return self.account(*(before or self.current))


class SharedNames(Runtime):
    """The same, deeper down: everybody's library is kept under one name."""

    def _make_account(self, sender: Any, credential: Credential) -> Account:
        made = super()._make_account(sender, credential)
        for known in self._accounts.values():
            object.__setattr__(made, "library", known.library)
        return made


@asynccontextmanager
async def house_of(world: World, state_dir: Path, runtime_class: type[Runtime]) -> AsyncIterator[House]:
    clock = VirtualClock()
    async with served(world, clock, state_dir, runtime_class=runtime_class, wire=Late) as house:
        yield house


def kling_of(everybody: list[Tenant]) -> World:
    """Elements for all of them and for the operator, whose key the server knows."""
    pairs = {tenant.credential: SECRET for tenant in everybody if tenant.credential.startswith("pair")}
    world = World(VirtualClock().wall, any_api_key=True, key_pairs=pairs)
    for tenant in everybody:
        for number in range(OWN_ELEMENTS):
            task = world.add_element(world.account_of(tenant.credential), f"{tenant.mark} {number}")
            tenant.ids += [task.task_id, task.element_id]
    world.add_element(world.account_of(OWN_KEY), "operator 0")
    return world


def requests_of(tenant: Tenant, rng: random.Random, number: int) -> tuple[str, dict[str, Any]]:
    """One of many calls: by id, by name, lists, searches, creations, waits."""
    name = f"{tenant.mark} {rng.randrange(OWN_ELEMENTS)}"
    common: list[tuple[str, dict[str, Any]]] = [
        ("list_elements", {"page_size": rng.choice([1, 2, 30])}),
        ("get_element", {"id": name}),
        ("get_element", {"id": rng.choice(tenant.ids)}),
        ("find_elements", {"query": rng.choice(["", "0", tenant.mark])}),
        ("use_elements", {"elements": [name], "target": "omni-video/kling-v3-omni"}),
        ("wait_for_elements", {"wait_seconds": rng.choice([0, 3])}),
        # Everybody asks for the same ones, which only one of them has.
        ("find_elements", {"query": "anna"}),
        ("get_element", {"id": "bert 1"}),
        ("check_setup", {}),
    ]
    rare = ("create_element", creation(f"{tenant.mark} made {number % 6}"))
    return rare if rng.random() < 0.03 else rng.choice(common)


async def ask(tenant: Tenant, client: Client, everybody: list[Tenant], leaks: list[str], calls: int) -> None:
    """All calls of one tenant, several of them at a time; notes every answer that holds somebody else's."""
    rng = random.Random(tenant.mark)  # noqa: S311 - the same questions in every run
    foreign = {
        word for other in everybody if other is not tenant for word in (*other.ids, f"{other.mark} made", OWN_KEY)
    } | {f"{other.mark} {number}" for other in everybody if other is not tenant for number in range(OWN_ELEMENTS)}

    async def one(name: str, arguments: dict[str, Any]) -> None:
        await anyio.sleep(rng.uniform(0, 60))
        if name == "complete":
            answer: Any = await client.complete(ELEMENT, {"name": "id", "value": ""})
        else:
            answer = await client.call_tool(name, arguments)
        asked = json.dumps(arguments)
        told = answer.model_dump_json()
        words = {word for word in foreign if word in told} - {other for other in foreign if other in asked}
        # An id may be a part of another one, which is nobody's fault.
        ids = set(re.findall(r"[0-9]+", told))
        leaks.extend(f"{tenant.mark} {name}: {word}" for word in words if not word.isdigit() or word in ids)
        tenant.answers += 1

    async with anyio.create_task_group() as group:
        for number in range(calls):
            if number % 20 == 7:
                group.start_soon(one, "complete", {})
            else:
                group.start_soon(one, *requests_of(tenant, rng, number))


async def leaks_of(runtime_class: type[Runtime], state_dir: Path, calls: int) -> list[str]:
    """Everything that somebody was told of another's library."""
    everybody = tenants()
    world = kling_of(everybody)
    leaks: list[str] = []
    async with house_of(world, state_dir, runtime_class) as house, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(house.client(each.era, each.headers)) for each in everybody]
        async with anyio.create_task_group() as group:
            for tenant, client in zip(everybody, clients, strict=True):
                group.start_soon(ask, tenant, client, everybody, leaks, calls)
    assert [tenant.answers for tenant in everybody] == [calls] * len(everybody)
    assert world.account_of(OWN_KEY).name not in {request.account for request in world.requests}
    return leaks


async def test_every_answer_holds_only_the_own_library(tmp_path: Path) -> None:
    assert await leaks_of(Runtime, tmp_path, CALLS) == []


@pytest.mark.parametrize("careless", [SharedVariable, SharedNames])
async def test_a_shared_variable_would_be_noticed(careless: type[Runtime], tmp_path: Path) -> None:
    assert await leaks_of(careless, tmp_path, FEW_CALLS)
