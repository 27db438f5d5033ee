"""Callbacks: only Kling's count, whatever they say only makes us look, and without them a wait still ends."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from helpers import API_KEY
from virtual_time import VirtualClock

from kling_mcp.account import Account
from kling_mcp.api.auth import ApiKey
from kling_mcp.api.webhooks import MAX_BODY_BYTES, TOLERANCE_SECONDS, signing_keys
from kling_mcp.elements.draft import ElementDraft
from kling_mcp.errors import ConfigurationError, StorageError
from kling_mcp.runtime import Runtime
from kling_mcp.server.http.app import build_http_app
from kling_mcp.server.http.webhooks import MOST_AT_ONCE, SeenDeliveries
from kling_mcp.settings import Settings
from kling_mcp.settings.hosting import HostingSettings
from kling_mcp.simulator import Faults, SimulatorTransport, World
from kling_mcp.store.shared_keys import shared_key
from kling_mcp.store.sqlite import SqliteStore
from kling_mcp.tasks.callback_urls import CALLBACKS, CallbackUrls

if TYPE_CHECKING:
    from starlette.types import Message

    from kling_mcp.elements.create import Creation
    from kling_mcp.simulator.records import ElementTask
    from kling_mcp.store import Transaction

pytestmark = pytest.mark.anyio
PUBLIC = "https://kling.example.com/kling"
SECONDS = 95.0

SECRET = "whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI="
OTHER_SECRET = "whsec_" + base64.b64encode(b"another secret of the same kind!").decode()


# --- the server


@dataclass(frozen=True, slots=True)
class Hosted:
    """A server over http, its caller's account, and what Kling and others can do to it."""

    runtime: Runtime
    account: Account
    world: World
    clock: VirtualClock
    http: httpx.AsyncClient

    async def create(self, **changes: Any) -> Creation:
        draft = ElementDraft(
            element_name="Host",
            element_description="Presenter",
            reference_type="video_refer",
            video_url="https://example.com/host.mp4",
            **changes,
        )
        return await self.account.creator.create(draft, allow_duplicate_name=True, timeout=10)

    def tasks(self) -> list[ElementTask]:
        """What Kling was asked for."""
        return list(self.world.account_of(API_KEY).elements.values())

    async def call_back(self, url: str, body: bytes = b"{}", **headers: str) -> int:
        """What Kling does; the status of our answer."""
        assert url.startswith("https://kling.example.com/kling/")
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return (await self.http.post(url.removeprefix(PUBLIC), content=body, headers=named)).status_code

    async def seconds_until_ready(self, creation: Creation, *, callback: Callable[[], Any] | None = None) -> float:
        """How long after its end a waiting caller hears of it."""
        begun = self.clock.monotonic()

        async def later() -> None:
            if callback is not None:
                await self.clock.sleep(SECONDS - (self.clock.monotonic() - begun))
                await callback()

        async with anyio.create_task_group() as group:
            group.start_soon(later)
            known = {creation.task.task_id: creation.task}
            seen = (await self.account.element_tasks.poller.wait([creation.task.task_id], 600, known=known))[
                creation.task.task_id
            ]
        assert seen.task is not None
        assert seen.task.element_ids
        return self.clock.monotonic() - begun - SECONDS


@pytest.fixture
def host(settings: Settings, clock: VirtualClock) -> Callable[..., Any]:
    """`host(webhook_secrets=...)`: a server with these settings of hosting."""

    @asynccontextmanager
    async def serving(**hosting: Any) -> AsyncIterator[Hosted]:
        world = World(clock.wall, api_keys=[API_KEY], durations=lambda _kind, _rng: SECONDS)
        chosen = replace(settings, hosting=HostingSettings(**{"public_url": PUBLIC, **hosting}))
        runtime = Runtime(
            chosen, transport="http", clock=clock, make_transport=lambda: SimulatorTransport(world, Faults())
        )
        transport = httpx.ASGITransport(build_http_app(runtime))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            yield Hosted(runtime, runtime.account(ApiKey(API_KEY)), world, clock, http)
        await runtime.aclose()

    return serving


def signed(body: bytes, clock: VirtualClock, webhook_id: str = "msg-1", secret: str = SECRET) -> dict[str, str]:
    """Headers as Kling makes them."""
    sent_at = str(int(clock.wall()))
    code = hmac.digest(signing_keys([secret])[0], f"{webhook_id}.{sent_at}.".encode() + body, "sha256")
    return {
        "Webhook_Id": webhook_id,
        "Webhook_Timestamp": sent_at,
        "Webhook_Signature": f"v1,{base64.b64encode(code).decode()}",
    }


async def test_callback_ends_a_wait_at_once_where_polling_takes_longer(host: Callable[..., Any]) -> None:
    async with host() as hosted:
        polled = await hosted.seconds_until_ready(await hosted.create())
        creation = await hosted.create(external_task_id="second")
        [task] = [task for task in hosted.tasks() if task.external_task_id == "second"]
        called = await hosted.seconds_until_ready(creation, callback=lambda: hosted.call_back(task.callback_url))
    assert called < 0.05
    assert polled > 10 * called
    assert polled > 0.5


async def test_looks_are_fewer_while_callbacks_arrive_and_as_many_again_when_they_stop(
    host: Callable[..., Any],
) -> None:
    """fact: callback-best-effort"""
    looks: list[int] = []

    async def count(hosted: Hosted, name: str, *, call: bool) -> None:
        creation = await hosted.create(external_task_id=name)
        [task] = [task for task in hosted.tasks() if task.external_task_id == name]
        before = len(hosted.world.requests)
        await hosted.seconds_until_ready(
            creation, callback=(lambda: hosted.call_back(task.callback_url)) if call else None
        )
        looks.append(len(hosted.world.requests) - before)

    async with host() as hosted:
        for number in range(3):  # until durations are learned
            await count(hosted, f"warm-{number}", call=False)
        await count(hosted, "a", call=True)
        await count(hosted, "b", call=True)
        await count(hosted, "c", call=False)
        await count(hosted, "d", call=False)
    first_called, called, silent, polled = looks[3:]
    assert called < first_called
    assert called < polled
    assert silent < polled


async def test_forged_callback_path_is_404_and_wakes_no_wait(host: Callable[..., Any]) -> None:
    async with host() as hosted:
        creation = await hosted.create()
        [task] = hosted.tasks()
        address = task.callback_url
        name, _, code = address.rpartition("/")[2].partition(".")
        forged = [
            f"{name}.{'A' * len(code)}",
            f"{name}.",
            name,
            f"{name}.{code}x",
            f"eA.{code}",
            ".",
            "%FF%FE.x",
            "A.x",
            "x" * 400,
        ]

        async def forge() -> None:
            body = json.dumps({"task_id": creation.task.task_id}).encode()
            for part in forged:
                assert await hosted.call_back(f"{PUBLIC}{CALLBACKS}/{part}", body) == 404, part

        late = await hosted.seconds_until_ready(creation, callback=forge)
    assert late > 0.5  # as long as looking takes by itself


@pytest.mark.parametrize("path", [CALLBACKS, f"{CALLBACKS}/", f"{CALLBACKS}/a/b"])
async def test_address_without_a_creation_is_404(host: Callable[..., Any], path: str) -> None:
    async with host(token="a-long-token-of-callers") as hosted:
        status = (await hosted.http.post(path, content=b"{}")).status_code
    assert status == 404


async def test_callers_token_is_not_asked_of_kling(host: Callable[..., Any]) -> None:
    async with host(token="a-long-token-of-callers") as hosted:
        await hosted.create()
        assert await hosted.call_back(hosted.tasks()[0].callback_url) == 200
        assert (await hosted.http.post("/mcp", content=b"{}")).status_code == 401


async def test_known_address_of_a_creation_that_this_server_forgot_is_404(
    host: Callable[..., Any], settings: Settings, clock: VirtualClock
) -> None:
    async with host() as hosted:
        store = SqliteStore(settings.state_dir, clock)
        address = await CallbackUrls(lambda: store, PUBLIC).url_for("never-made")
        store.close()
        assert await hosted.call_back(address) == 404


async def test_callers_own_callback_wins(host: Callable[..., Any]) -> None:
    own = "https://studio.example.com/hook"
    async with host() as hosted:
        await hosted.create(callback_url=own)
        assert [task.callback_url for task in hosted.tasks()] == [own]


async def test_callback_url_of_ours_is_not_part_of_the_request_identity(host: Callable[..., Any]) -> None:
    """The same wish with and without a callback of the caller's own is one creation."""
    async with host() as hosted:
        first = await hosted.create()
        second = await hosted.create(callback_url="https://studio.example.com/hook")
        assert (second.outcome, second.task.task_id) == ("already_submitted", first.task.task_id)


@pytest.mark.parametrize(
    ("public_url", "transport"), [("", "http"), ("http://127.0.0.1:8000", "http"), (PUBLIC, "stdio")]
)
async def test_kling_is_asked_to_call_back_only_where_it_can(
    settings: Settings, clock: VirtualClock, world: World, public_url: str, transport: Any
) -> None:
    chosen = replace(settings, hosting=HostingSettings(public_url=public_url))
    runtime = Runtime(chosen, transport=transport, clock=clock, make_transport=lambda: SimulatorTransport(world))
    app = build_http_app(runtime)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as http:
        hosted = Hosted(runtime, runtime.account(ApiKey(API_KEY)), world, clock, http)
        await hosted.create()
        assert [task.callback_url for task in hosted.tasks()] == [""]
        assert (await http.post(f"{CALLBACKS}/x.y", content=b"{}")).status_code == 404
    await runtime.aclose()


async def test_state_that_fails_costs_a_request_its_callback_and_nothing_else(
    tmp_path: Path, clock: VirtualClock
) -> None:
    """Of whatever kind: without an address, a request asks for no call."""
    no_folder = tmp_path / "state"
    no_folder.write_text("a file")
    store = SqliteStore(no_folder, clock)
    with pytest.raises(StorageError):
        await store.run(lambda tx: tx.fetch("SELECT 1"), write=False)
    assert await CallbackUrls(lambda: store, PUBLIC).url_for("mia-1") == ""


# --- what is refused, and what a refusal costs


async def test_signed_callback_counts_once(host: Callable[..., Any], clock: VirtualClock) -> None:
    """A replay is answered with 200 and wakes nobody. fact: callback-repeats"""
    async with host(webhook_secrets=(OTHER_SECRET, SECRET)) as hosted:
        creation = await hosted.create()
        [task] = hosted.tasks()
        body = json.dumps({"task_id": task.task_id, "task_status": "submitted"}).encode()

        async def replay() -> None:
            for _ in range(5):
                assert await hosted.call_back(task.callback_url, body, **signed(body, clock)) == 200
                await clock.sleep(2)

        before = len(hosted.world.requests)
        with anyio.move_on_after(15):
            async with anyio.create_task_group() as group:
                group.start_soon(replay)
                known = {task.task_id: creation.task}
                await hosted.account.element_tasks.poller.wait([task.task_id], 12, known=known)
        once = len(hosted.world.requests) - before
        assert await hosted.call_back(task.callback_url, body, **signed(body, clock, "msg-2")) == 200
    alone = 0
    async with host() as hosted:
        creation = await hosted.create(external_task_id="alone")
        before = len(hosted.world.requests)
        known = {creation.task.task_id: creation.task}
        await hosted.account.element_tasks.poller.wait([creation.task.task_id], 12, known=known)
        alone = len(hosted.world.requests) - before
    assert once <= alone + 1


async def test_refused_callback_never_stalls_a_wait(host: Callable[..., Any], clock: VirtualClock) -> None:
    """fact: signature-legacy-unknown. What Kling sends may be unsigned although a secret is set."""
    async with host(webhook_secrets=(SECRET,)) as hosted:
        creation = await hosted.create()
        [task] = hosted.tasks()

        async def unsigned() -> None:
            assert await hosted.call_back(task.callback_url, b"{}") == 401
            wrong = signed(b"{}", clock, secret=OTHER_SECRET)
            assert await hosted.call_back(task.callback_url, b"{}", **wrong) == 401

        assert 0 < await hosted.seconds_until_ready(creation, callback=unsigned) < 12


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[]", 400),
        (b"no json", 400),
        (b'{"note":"' + b"x" * MAX_BODY_BYTES + b'"}', 413),
        (b'{"note":"' + b"x" * (MAX_BODY_BYTES - 11) + b'"}', 200),
    ],
    ids=["array", "text", "too large", "just as large"],
)
async def test_body_is_bounded_and_an_object(host: Callable[..., Any], body: bytes, status: int) -> None:
    async with host() as hosted:
        await hosted.create()
        assert await hosted.call_back(hosted.tasks()[0].callback_url, body) == status


async def _answer_to(hosted: Hosted, *, after: list[Message], then_sleep: float = 0.0, app: Any = None) -> int:
    """The status for a request whose body arrives as these messages, and then not at all for a while."""
    app = app or build_http_app(hosted.runtime)
    sent: list[Message] = []
    left = list(after)

    async def receive() -> Message:
        if left:
            return left.pop(0)
        await hosted.clock.sleep(then_sleep)
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    path = hosted.tasks()[0].callback_url.removeprefix(PUBLIC)
    scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b"", "root_path": ""}
    await app(scope, receive, send)
    return int(sent[0]["status"])


async def test_slow_and_broken_bodies_are_given_up(host: Callable[..., Any]) -> None:
    begun: Message = {"type": "http.request", "body": b"{", "more_body": True}
    async with host() as hosted:
        await hosted.create()
        assert await _answer_to(hosted, after=[begun], then_sleep=3600) == 408
        assert await _answer_to(hosted, after=[begun]) == 400


async def test_half_sent_callbacks_are_few_and_cost_others_nothing_later(host: Callable[..., Any]) -> None:
    begun: Message = {"type": "http.request", "body": b"{", "more_body": True}
    statuses: list[int] = []
    async with host() as hosted:
        await hosted.create()
        app = build_http_app(hosted.runtime)

        async def one() -> None:
            statuses.append(await _answer_to(hosted, after=[begun], then_sleep=3600, app=app))

        async with anyio.create_task_group() as group:
            for _ in range(MOST_AT_ONCE + 5):
                group.start_soon(one)
        assert statuses == [503] * 5 + [408] * MOST_AT_ONCE
        whole: Message = {"type": "http.request", "body": b"{}", "more_body": False}
        assert await _answer_to(hosted, after=[whole], app=app) == 200


async def test_state_that_cannot_be_read_is_said_so_that_kling_tries_again(host: Callable[..., Any]) -> None:
    async with host() as hosted:
        await hosted.create()
        address = hosted.tasks()[0].callback_url

        class Broken:
            async def run(self, _: Any, *, write: bool) -> Any:
                raise StorageError(f"the disk is gone ({write=})")

        hosted.runtime.callback_urls._open_store = Broken
        assert await hosted.call_back(address) == 503


def test_seen_delivery_is_forgotten_when_its_signature_has_expired() -> None:
    class Watch:
        now = 0.0

        def monotonic(self) -> float:
            return self.now

    watch: Any = Watch()
    heard = SeenDeliveries(watch)
    assert not heard.is_repeated("part", "a")
    assert heard.is_repeated("part", "a")
    assert not heard.is_repeated("other part", "a")
    assert not heard.is_repeated("part", "")
    assert not heard.is_repeated("part", "")
    watch.now = 2 * TOLERANCE_SECONDS + 1
    assert not heard.is_repeated("part", "a")


# --- the address


async def test_address_names_no_account_and_outlives_a_restart(settings: Settings, clock: VirtualClock) -> None:
    store = SqliteStore(settings.state_dir, clock)
    first = await CallbackUrls(lambda: store, PUBLIC).url_for("mia-1")
    store.close()
    again = SqliteStore(settings.state_dir, clock)
    assert await CallbackUrls(lambda: again, PUBLIC).url_for("mia-1") == first
    assert await CallbackUrls(lambda: again, PUBLIC).url_for("mia-2") != first
    assert len(first.rpartition(".")[2]) >= 32
    again.close()


async def test_two_servers_that_begin_together_share_one_key(settings: Settings, clock: VirtualClock) -> None:
    """The other one makes the key between our look and our writing."""
    store, other = SqliteStore(settings.state_dir, clock), SqliteStore(settings.state_dir, clock)
    theirs: list[bytes] = []

    class Slow:
        was_damaged = is_new = False
        close = store.close

        async def run(self, work: Callable[[Transaction], Any], *, write: bool) -> Any:
            if write:
                theirs.append(await shared_key(other, "callbacks"))
            return await store.run(work, write=write)

    assert [await shared_key(Slow(), "callbacks")] == theirs
    assert len(theirs[0]) == 32
    store.close()
    other.close()


async def test_creation_whose_answer_is_not_written_yet_is_found_by_what_the_callback_says(
    host: Callable[..., Any],
) -> None:
    async with host() as hosted:
        creation = await hosted.create(external_task_id="mia-1")
        await hosted.runtime.store.run(lambda tx: tx.execute("UPDATE tasks SET task_id = ''"), write=True)
        part = hosted.tasks()[0].callback_url.rpartition("/")[2]
        names = await hosted.runtime.callback_urls.waiters_for(part, creation.task.task_id)
        own = hosted.account.client.account
        assert names == {(own, "mia-1"), (own, creation.task.task_id)}
        assert await hosted.runtime.callback_urls.waiters_for(part) == {(own, "mia-1")}


# --- the settings


def test_several_secrets_are_read_and_none_is_shown() -> None:
    """fact: signature-rotation"""
    settings = Settings.from_env({"KLING_WEBHOOK_SECRET": f"{SECRET},{OTHER_SECRET}"})
    assert settings.hosting.webhook_secrets == (SECRET, OTHER_SECRET)
    assert set(settings.secrets) == {SECRET, OTHER_SECRET}
    assert "whsec_" not in repr(settings) + repr(settings.hosting)


@pytest.mark.parametrize("value", ["dGVzdA==", "whsec_,", "whsec_***", f"{SECRET},oops-CANARY", "whsec_x"])
def test_malformed_webhook_secret_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(ConfigurationError, match="KLING_WEBHOOK_SECRET") as caught:
        Settings.from_env({"KLING_WEBHOOK_SECRET": value})
    assert value not in str(caught.value)
