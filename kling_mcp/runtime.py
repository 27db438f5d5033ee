"""Puts the parts together: settings in, accounts out; the real Kling or the simulator.

Opens nothing until an account is first used.
"""

from __future__ import annotations

import random
import weakref
from collections import OrderedDict
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anyio import TASK_STATUS_IGNORED

from kling_mcp.api.auth import ApiKey, Credential, KeyPair, credential_fingerprint
from kling_mcp.api.client import KlingClient
from kling_mcp.api.models import ElementTask, KlingTask, VoiceTask
from kling_mcp.api.sender import Sender
from kling_mcp.api.throttle import CreateGate
from kling_mcp.concurrency.call_limit import CallLimit
from kling_mcp.concurrency.clock import Clock, SystemClock
from kling_mcp.concurrency.shutdown import Shutdown
from kling_mcp.elements.create import KIND, ElementCreator
from kling_mcp.elements.name_guard import NameGuard
from kling_mcp.errors import ConfigurationError, StorageError
from kling_mcp.library.index import Library
from kling_mcp.library.sqlite.catalogue import SqliteCatalogue
from kling_mcp.library.voices import VoiceCatalogue
from kling_mcp.media.policy import MediaPolicy
from kling_mcp.observability.audit import FILE_NAME, AuditLog
from kling_mcp.settings import HOSTS, Settings, Transport, default_state_dir, missing_credentials
from kling_mcp.settings.values import Region, read_region, refuse_half_a_pair, refuse_token_as_key, validated_secret
from kling_mcp.store.process_owner import current_owner
from kling_mcp.store.sqlite import SqliteStore
from kling_mcp.store.verified import VerifiedStore
from kling_mcp.tasks.callback_urls import CallbackUrls
from kling_mcp.tasks.collector import TaskCollector
from kling_mcp.tasks.journal import Journal
from kling_mcp.tasks.kind import TaskKind, make_kind
from kling_mcp.tasks.quota import SubmitQuota
from kling_mcp.tasks.route import T, TaskRoute
from kling_mcp.tasks.schedule import ELEMENT_SECONDS, VOICE_SECONDS, PollSchedule
from kling_mcp.thumbnails.cache import FileThumbnailCache, MemoryThumbnailCache, ThumbnailCache
from kling_mcp.thumbnails.fetch import PictureFetcher
from kling_mcp.thumbnails.thumbnails import Thumbnails

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import httpx
    from anyio.abc import TaskStatus

    from kling_mcp.library.catalogue import Catalogue
    from kling_mcp.store import Store
    from kling_mcp.store.postgres.store import PostgresStore
    from kling_mcp.tasks.schedule import PublishedDurations

SANDBOX_URL = "http://sandbox.invalid"
SANDBOX_KEY = "sandbox"
MAX_IDLE_ACCOUNTS = 64
MAX_CALLS_PER_ACCOUNT = 64

_FILES_OFF: dict[Transport, str] = {
    "http": "this server is reached over http and cannot see files on your computer; its operator can allow folders "
    "with KLING_MCP_MEDIA_DIRS",
    "stdio": "this server has neither a home folder nor a working folder; KLING_MCP_MEDIA_DIRS can allow others",
}


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Account:
    """Everything that belongs to one Kling account; nothing here is shared with another."""

    client: KlingClient
    creator: ElementCreator
    element_tasks: TaskKind[ElementTask]
    voice_tasks: TaskKind[VoiceTask]
    journal: Journal
    collector: TaskCollector
    library: Library
    voices: VoiceCatalogue
    album: Thumbnails
    calls: CallLimit

    @property
    def kinds(self) -> tuple[TaskKind[ElementTask], TaskKind[VoiceTask]]:
        """Every kind of task."""
        return self.element_tasks, self.voice_tasks

    async def record_results(self, tasks: Iterable[KlingTask]) -> None:
        """Take over what was just seen of tasks of any kind. It never fails."""
        await self.creator.record_results([task for task in tasks if isinstance(task, ElementTask)])

    async def asked_voice(self, task: ElementTask) -> str:
        """The voice that was asked for when the task's element was created from here, or ""."""
        with suppress(StorageError):
            entry = await self.journal.find(task.task_id)
            return entry.memo.get("voice_id", "") if entry else ""
        return ""


class Runtime:
    """One per process: the store, the connections, and the accounts that use them."""

    def __init__(
        self,
        settings: Settings,
        *,
        transport: Transport = "stdio",
        clock: Clock | None = None,
        make_transport: Callable[[], httpx.AsyncBaseTransport] | None = None,
        fetcher: PictureFetcher | None = None,
        owner: str = "",
    ) -> None:
        """Nothing is opened here.

        Args:
            make_transport: replaces the network, for tests; then links to pictures are opened only with a `fetcher`.
            fetcher: opens links to pictures. The sandbox has none by default, because nothing leaves it.
            owner: names this process in the journal; `host:pid` by default.
        """
        self.settings = settings
        self.transport = transport
        self.clock = clock or SystemClock()
        self._make_transport = make_transport
        self._fetcher = fetcher if fetcher or settings.sandbox or make_transport else PictureFetcher()
        self._shared = _shared_store(settings, self.clock)
        self.owner = owner or (f"{self._shared.computer}." if self._shared else "") + current_owner()
        self._rng = random.Random()  # noqa: S311 - jitter, not a secret
        self._store: Store | None = self._shared
        self._senders: dict[str, Sender] = {}
        self.shutdown = Shutdown()
        can_be_called = transport == "http" and not settings.sandbox
        self.summons = CallbackUrls(lambda: self.store, settings.hosting.callback_base_url if can_be_called else "")
        self.audit = self._audit_log()
        # An account that nobody uses is kept while it is among the last that were; one in use stays the same object.
        self._accounts: weakref.WeakValueDictionary[tuple[Credential, str], Account] = weakref.WeakValueDictionary()
        self._recent: OrderedDict[tuple[Credential, str], Account] = OrderedDict()

    def own_account(self) -> Account:
        """The account of the server's own settings.

        Raises:
            ConfigurationError: `missing_credentials`.
        """
        return self.account(self.own_credential())

    def own_credential(self) -> Credential:
        """The credential of the settings; the API key where both are set (auth-api-key-everywhere).

        Raises:
            ConfigurationError: `missing_credentials`.
        """
        settings = self.settings
        if settings.sandbox:
            return ApiKey(SANDBOX_KEY, "sandbox")
        if settings.api_key:
            return ApiKey(settings.api_key)
        if settings.access_key:
            return KeyPair(settings.access_key, settings.secret_key)
        raise missing_credentials()

    def account_of_caller(self, headers: Mapping[str, str] | None) -> Account:
        """The account that a request belongs to.

        Over stdio that is the server's own. Over http the caller's credentials come in headers, and the
        server's own are used only where KLING_MCP_SHARED_ACCOUNT allows it.

        Raises:
            ConfigurationError: `missing_credentials`, or a header that cannot be a credential.
        """
        if self.transport == "stdio":
            return self.own_account()
        credential, region = read_caller_headers(headers or {})
        if credential is not None:
            return self.account(credential, region)
        if self.settings.sandbox or self.settings.shared_account:
            return self.own_account()
        raise ConfigurationError(
            "This request carries no Kling credentials.",
            kind="missing_credentials",
            advice="Over http each caller sends its own: the header X-Kling-Api-Key, or X-Kling-Access-Key "
            "with X-Kling-Secret-Key, in the headers of the client's configuration.",
        )

    def account(self, credential: Credential, region: Region | None = None) -> Account:
        """The account behind a credential; the same object for the same credential and host.

        The whole credential counts, not the account's fingerprint: whoever knows somebody's access key must not
        come by the client that holds the right secret.
        """
        sender = self._sender(self._base_url(region))
        key = credential, sender.base_url
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = self._make_account(sender, credential)
            weakref.finalize(account, account.library.close)
        self._recent[key] = account
        self._recent.move_to_end(key)
        if len(self._recent) > MAX_IDLE_ACCOUNTS:
            self._recent.popitem(last=False)
        return account

    @property
    def store(self) -> Store:
        """The state: a file, or the database of KLING_MCP_STATE_URL.

        The sandbox keeps its own in memory: its Kling ends with the process, too.
        """
        if self._store is None:
            self._store = SqliteStore(self._state_folder(), self.clock)
        return self._store

    @property
    def state_location(self) -> str:
        """Where the state lies, in words."""
        if self._shared is not None:
            return "the database of KLING_MCP_STATE_URL"
        return str(self._state_folder() or "memory")

    def _state_folder(self) -> Path | None:
        return None if self.settings.sandbox else self.settings.state_dir or default_state_dir()

    def _make_account(self, sender: Sender, credential: Credential) -> Account:
        client = KlingClient(sender, credential, self.clock)
        quota = SubmitQuota(*self.settings.hosting.creations_allowed(over_http=self.transport == "http"))
        journal = Journal(self._journal_store(client, credential), client.account, self.clock, self.owner, quota)
        # By the whole credential: index and album answer without asking Kling whether the secret is right.
        fingerprint = credential_fingerprint(credential, sender.host)
        catalogue = self._catalogue(fingerprint)
        album = Thumbnails(self._shelf(fingerprint), self._fetcher)
        library = Library(client, catalogue, self.clock)
        elements = self._make_kind(journal, element_route(client), ELEMENT_SECONDS)
        voices_made = self._make_kind(journal, voice_route(client), VOICE_SECONDS)
        creator = ElementCreator(
            elements,
            account=client.account,
            policy=self.media_policy(),
            journal=journal,
            names=NameGuard(library, journal, elements.route, self.clock),
            clock=self.clock,
            save_picture=album.save,
            callback_url_for=self.summons.url_for,
        )
        collector = TaskCollector(journal, (elements, voices_made), self.clock)
        voices = VoiceCatalogue(client, self.clock)
        calls = CallLimit(MAX_CALLS_PER_ACCOUNT if self.transport == "http" else 0)
        return Account(client, creator, elements, voices_made, journal, collector, library, voices, album, calls)

    def _make_kind(self, journal: Journal, route: TaskRoute[T], seconds: PublishedDurations) -> TaskKind[T]:
        gate = CreateGate(self.settings.max_creates, self.clock, self._rng)
        return make_kind(route, journal, gate, self.clock, schedule=PollSchedule(seconds), shutdown=self.shutdown)

    def _audit_log(self) -> AuditLog | None:
        """KLING_MCP_AUDIT_LOG; where that says nothing, a file in the state folder over http and none over stdio."""
        path = self.settings.hosting.audit_log
        folder = self._state_folder() if path is None and self.transport == "http" else None
        if isinstance(path, Path):
            return AuditLog(path, self.clock, self.owner)
        return AuditLog(folder / FILE_NAME, self.clock, self.owner) if folder else None

    def _journal_store(self, client: KlingClient, credential: Credential) -> Store:
        if self.transport == "stdio":
            return self.store
        # State is named by the whole of an API key, so there is nothing to read for whoever invents one.
        return VerifiedStore(self.store, client.verify_credentials, for_reading=not isinstance(credential, ApiKey))

    def _catalogue(self, fingerprint: str) -> Catalogue:
        if self._shared is None:
            return SqliteCatalogue(self._state_folder(), fingerprint)
        from kling_mcp.library.postgres_catalogue import PostgresCatalogue  # noqa: PLC0415 - an optional extra

        return PostgresCatalogue(self._shared.database, fingerprint, self.clock)

    def _shelf(self, fingerprint: str) -> ThumbnailCache | None:
        """Where an account's thumbnails are kept; nowhere with KLING_MCP_THUMBNAILS=0."""
        if not self.settings.thumbnails:
            return None
        folder = self._state_folder()
        return FileThumbnailCache(folder, fingerprint) if folder else MemoryThumbnailCache()

    def media_policy(self) -> MediaPolicy:
        """Which local files may be read."""
        return MediaPolicy(self.settings.readable_dirs(self.transport), _FILES_OFF[self.transport])

    async def notify(self, account: str, task_id: str) -> None:
        """Something said that this task of this account (its fingerprint) changed: whoever waits for it looks now.

        Also in the other replicas, if they can be reached; waits look by themselves, too, so it never fails.
        """
        self._notify_here(account, task_id)
        if self._shared is not None:
            with suppress(StorageError):
                await self._shared.notify(account, task_id)

    async def listen_for_notifications(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Pass on what is said in other replicas, for ever. Ends at once where the state is not shared.

        A task group's `start` returns when it begins to hear, which is never while the database is away.
        """
        if self._shared is None:
            task_status.started()
            return
        is_hearing = False
        async with aclosing(self._shared.listen()) as words:
            async for account, task_id in words:
                if not is_hearing:
                    is_hearing = True
                    task_status.started()
                self._notify_here(account, task_id)

    def _notify_here(self, account: str, task_id: str) -> None:
        for known in list(self._accounts.values()):
            if known.client.account == account:
                for kind in known.kinds:
                    kind.poller.notify(task_id)

    async def aclose(self) -> None:
        """Close every connection."""
        for sender in self._senders.values():
            await sender.aclose()
        for account in list(self._accounts.values()):
            account.library.close()
        if self._store is not None:
            self._store.close()

    def _base_url(self, region: Region | None) -> str:
        if self.settings.sandbox:
            return SANDBOX_URL
        if region is None or self.settings.base_url not in HOSTS.values():
            return self.settings.base_url
        return HOSTS[region]

    def _sender(self, base_url: str) -> Sender:
        sender = self._senders.get(base_url)
        if sender is None:
            make_transport = self._make_transport
            if self.settings.sandbox and make_transport is None:
                make_transport = self._sandbox
            sender = self._senders[base_url] = Sender(base_url, self.clock, make_transport=make_transport)
        return sender

    def _sandbox(self) -> httpx.AsyncBaseTransport:
        from kling_mcp.simulator import SimulatorTransport, World  # noqa: PLC0415 - only the sandbox loads it

        return SimulatorTransport(World(self.clock.wall, api_keys=[SANDBOX_KEY]))


def element_route(client: KlingClient) -> TaskRoute[ElementTask]:
    return TaskRoute(KIND, client.create_element, client.get_task, client.list_elements, ElementTask)


def voice_route(client: KlingClient) -> TaskRoute[VoiceTask]:
    return TaskRoute("voice", client.create_voice, client.get_voice_task, client.list_voices, VoiceTask)


def _shared_store(settings: Settings, clock: Clock) -> PostgresStore | None:
    """The store of several replicas, where the settings name one; only then is its driver loaded.

    Raises:
        ConfigurationError: the driver is not installed, or the address cannot be read.
    """
    if settings.sandbox or not settings.state_url:
        return None
    try:
        from kling_mcp.store.postgres.store import PostgresStore  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise ConfigurationError(
            "KLING_MCP_STATE_URL needs the PostgreSQL driver, which is not installed here.",
            advice='Install it with: pip install "kling-mcp[postgres]"',
        ) from None
    return PostgresStore(settings.state_url, clock)


def read_caller_headers(headers: Mapping[str, str]) -> tuple[Credential | None, Region | None]:
    """A caller's own credential and region; names are compared without case.

    Raises:
        ConfigurationError: the sentence names the header and never shows its value.
    """
    lower: dict[str, str] = {}
    for name, value in headers.items():
        if lower.setdefault(name.lower(), value) != value and name.lower().startswith("x-kling-"):
            raise ConfigurationError(f"{name} is sent twice, with different values; send one.")

    def secret(name: str) -> str:
        return validated_secret(name, lower.get(name.lower(), ""))

    api_key = secret("X-Kling-Api-Key")
    refuse_token_as_key(api_key, "X-Kling-Api-Key")
    access_key, secret_key = secret("X-Kling-Access-Key"), secret("X-Kling-Secret-Key")
    refuse_half_a_pair(access_key, secret_key, "X-Kling-Access-Key", "X-Kling-Secret-Key")
    wanted = lower.get("x-kling-region", "").strip()
    region = read_region(wanted, "X-Kling-Region") if wanted else None
    if api_key:
        return ApiKey(api_key), region
    return (KeyPair(access_key, secret_key) if access_key else None), region
