"""What a process has once: its store, connections and accounts, for the real Kling or the simulator.

It reads the settings and passes plain values down. Nothing is opened until an account is first used.
"""

from __future__ import annotations

import random
import weakref
from collections import OrderedDict
from contextlib import aclosing
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio import TASK_STATUS_IGNORED

from kling_mcp.account import Account, SharedParts
from kling_mcp.api.auth import credential_fingerprint
from kling_mcp.api.sender import Sender
from kling_mcp.caller_credentials import (
    SANDBOX_URL,
    ProvedCredentials,
    no_caller_credentials,
    own_credential,
    read_caller_headers,
    sandbox_credential,
)
from kling_mcp.concurrency.clock import Clock, SystemClock
from kling_mcp.concurrency.shutdown import Shutdown
from kling_mcp.errors import ConfigurationError
from kling_mcp.media.policy import MediaPolicy
from kling_mcp.observability.audit import FILE_NAME, AuditLog
from kling_mcp.settings import FAULT_DETAILS, HOSTS, Settings, Transport, default_state_dir
from kling_mcp.store.change import Change
from kling_mcp.store.process_owner import current_owner
from kling_mcp.store.report import StateReport, report_on
from kling_mcp.store.sqlite import SqliteStore
from kling_mcp.store.sqlite_errors import explained_sandbox
from kling_mcp.store.unusable import UnusableStore
from kling_mcp.tasks.budget import Budget
from kling_mcp.tasks.callback_urls import CallbackUrls
from kling_mcp.tasks.in_flight import InFlight
from kling_mcp.tasks.quota import SubmitQuota

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import httpx
    from anyio.abc import TaskStatus

    from kling_mcp.api.auth import Credential
    from kling_mcp.results.background import BackgroundSaver
    from kling_mcp.settings.values import Region
    from kling_mcp.store import Store
    from kling_mcp.store.change import ChangeKind
    from kling_mcp.store.postgres.store import PostgresStore
    from kling_mcp.thumbnails.fetch import PictureFetcher

MAX_IDLE_ACCOUNTS = 256
MAX_IDLE_STRANGERS = 16  # whose credentials Kling has not accepted: they must not push out the others
MAX_STRANGERS_EXCHANGES = 4
MAX_CALLS_PER_ACCOUNT = 200


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
        keeps_sandbox: bool = False,
    ) -> None:
        """Nothing is opened here.

        Args:
            keeps_sandbox: the sandbox outlives this process.
            make_transport: replaces the network, for tests; then links to pictures are opened only with a `fetcher`.
            fetcher: opens links to pictures. The sandbox has none by default, because it has no network.
            owner: names this process in the journal; `host:pid` by default.
        """
        self.settings = settings
        self.transport = transport
        self._keeps_sandbox = keeps_sandbox
        self.clock = clock or SystemClock()
        self._make_transport = make_transport
        self._fetcher = fetcher
        self._shared = _shared_store(settings, self.clock)
        self.owner = owner or (f"{self._shared.computer}." if self._shared else "") + current_owner()
        self._rng = random.Random()  # noqa: S311 - jitter, not a secret
        self._store: Store | None = self._shared
        self._saving: BackgroundSaver | None = None
        self._senders: dict[str, Sender] = {}
        self.shutdown = Shutdown()
        self.in_flight = InFlight(self.clock, self.shutdown)
        can_be_called = transport == "http" and not settings.sandbox
        self.callback_urls = CallbackUrls(
            lambda: self.store, settings.hosting.callback_base_url if can_be_called else ""
        )
        self.audit = self._audit_log()
        # Recently used accounts are kept, strangers' apart; an account in use stays the same object.
        self._accounts: weakref.WeakValueDictionary[tuple[Credential, str], Account] = weakref.WeakValueDictionary()
        self._recent: OrderedDict[tuple[Credential, str], Account] = OrderedDict()
        self._strangers: OrderedDict[tuple[Credential, str], Account] = OrderedDict()
        self.proved = ProvedCredentials()

    def own_account(self) -> Account:
        """The account of the server's own settings.

        Raises:
            ConfigurationError: `missing_credentials`, or a setting that Kling needs is wrong.
        """
        return self.account(own_credential(self.settings))

    def account_of_caller(self, headers: Mapping[str, str] | None) -> Account:
        """The account that a request belongs to.

        Over stdio that is the server's own. Over http the caller's credentials come in headers, and the
        server's own are used only if KLING_MCP_SHARED_ACCOUNT allows it.

        Raises:
            ConfigurationError: `missing_credentials`, or a header that cannot be a credential.
        """
        if self.transport == "stdio":
            return self.own_account()
        return self.account(*self._credential_of(headers))

    def proved_credential(self, headers: Mapping[str, str]) -> str:
        """The fingerprint of a caller's credential over http if Kling has accepted it, or ""."""
        try:
            credential, region = self._credential_of(headers)
        except ConfigurationError:
            return ""
        sender = self._sender(self._base_url(region))
        account = self._accounts.get((credential, sender.base_url))
        fingerprint = account.fingerprint if account else credential_fingerprint(credential, sender.host)
        return fingerprint if fingerprint in self.proved else ""

    def _credential_of(self, headers: Mapping[str, str] | None) -> tuple[Credential, Region | None]:
        """Over http: the caller's, or the server's own where the settings allow it."""
        credential, region = read_caller_headers(headers or {})
        if credential is not None:
            return sandbox_credential(credential) if self.settings.sandbox else credential, region
        if self.settings.sandbox or self.settings.shared_account:
            return own_credential(self.settings), None
        raise no_caller_credentials()

    def account(self, credential: Credential, region: Region | None = None) -> Account:
        """The account behind a credential; the same object for the same credential and host.

        The whole credential counts, not the account's fingerprint: an access key alone must not give access to the
        client with the right secret.
        """
        sender = self._sender(self._base_url(region))
        key = credential, sender.base_url
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = self._make_account(sender, credential)
            weakref.finalize(account, account.library.catalogue.close)  # the library's own would keep all this alive
        self._keep(key, account)
        return account

    def _keep(self, key: tuple[Credential, str], account: Account) -> None:
        self._recent.pop(key, None)
        self._strangers.pop(key, None)
        is_known = account.client.is_verified
        kept, most = (self._recent, MAX_IDLE_ACCOUNTS) if is_known else (self._strangers, MAX_IDLE_STRANGERS)
        kept[key] = account
        if len(kept) > most:
            kept.popitem(last=False)

    def _note_proof(self, fingerprint: str, is_accepted: bool) -> None:
        """Kling accepts a credential, or refuses it; an account is kept among the known ones from its first proof."""
        self.proved.note(fingerprint, is_accepted)
        for key, account in list(self._accounts.items()):
            if account.client.is_verified and key not in self._recent:
                self._keep(key, account)

    @property
    def store(self) -> Store:
        """The state: a file, or the database of KLING_MCP_STATE_URL; memory for a server's sandbox."""
        if self._store is None:
            folder, missing = self._place
            self._store = UnusableStore(missing, FAULT_DETAILS) if missing else SqliteStore(folder, self.clock)
        return self._store

    @property
    def state_location(self) -> str:
        """Where the state is kept, in words."""
        if self._shared is not None:
            return "the database of KLING_MCP_STATE_URL"
        folder, missing = self._place
        return missing or str(folder or "memory")

    @cached_property
    def _place(self) -> tuple[Path | None, str]:
        """The folder for the state, or None for memory; and why there is no place for what must last, if so."""
        settings = self.settings
        if settings.sandbox:
            return settings.sandbox_folder() if self._keeps_sandbox else None, ""
        if said := settings.fault_sentences("state"):
            return None, said
        try:
            return settings.state_dir or default_state_dir(), ""
        except ConfigurationError as error:
            return None, error.message

    async def state_report(self) -> StateReport:
        """What people should know of the state; opens it. Where it lies is no business of callers over http."""
        report = await report_on(self.store, self.state_location)
        return report if self.transport == "stdio" else StateReport(report.trouble)

    @property
    def why_no_place(self) -> str:
        """Why there is no place for the state, in a sentence that names the variable; "" if there is one."""
        return self._place[1]

    def _make_account(self, sender: Sender, credential: Credential) -> Account:
        account = Account(self._shared_parts, sender, credential)
        if self._shared is not None:
            account.library.invalidate()  # earlier announcements of other replicas were missed
        return account

    @cached_property
    def _shared_parts(self) -> SharedParts:
        settings, is_http = self.settings, self.transport == "http"
        return SharedParts(
            clock=self.clock,
            rng=self._rng,
            owner=self.owner,
            shutdown=self.shutdown,
            in_flight=self.in_flight,
            open_store=lambda: self.store,
            state_folder=self._place[0],
            keeps_thumbnails=settings.thumbnails,
            open_fetcher=self._open_fetcher,
            media_policy=self.media_policy(),
            callback_url_for=self.callback_urls.url_for,
            announce=self._announce if self._shared else None,
            quota=SubmitQuota(*settings.hosting.creations_allowed(over_http=is_http)),
            max_creates=settings.max_creates,
            max_calls=MAX_CALLS_PER_ACCOUNT if is_http else 0,
            callers_bring_credentials=is_http,
            note_proof=self._note_proof,
            strangers=anyio.Semaphore(MAX_STRANGERS_EXCHANGES) if is_http else None,
            extra_models=settings.extra_models,
            open_saver=self._open_saver,
            budget=Budget(settings.spending.per_day(over_http=is_http), settings.spending.per_call(over_http=is_http)),
        )

    def _open_fetcher(self) -> PictureFetcher | None:
        """Opens links to pictures, for every account."""
        from kling_mcp.thumbnails.fetch import PictureFetcher  # noqa: PLC0415 - most calls show no pictures

        if self._fetcher is None and not (self.settings.sandbox or self._make_transport):
            self._fetcher = PictureFetcher()
        return self._fetcher

    def _open_saver(self) -> BackgroundSaver:
        """Saves results for every account. The sandbox's links lead to its own simulator, and nowhere else."""
        from kling_mcp.results.background import make_saver  # noqa: PLC0415 - most calls have no results

        if self._saving is None:
            settings = self.settings
            self._saving = make_saver(
                settings.output_folder(self.transport),
                self._base_url(None),
                self.clock,
                self.shutdown,
                make_transport=self._replaced_network,
                in_process=settings.sandbox,
                read_only=settings.read_only,
                why_not=settings.why_unsaved(self.transport),
            )
        return self._saving

    @property
    def _replaced_network(self) -> Callable[[], httpx.AsyncBaseTransport] | None:
        """Makes connections where the network is replaced, by `make_transport` or the sandbox."""
        return self._make_transport or (self._sandbox if self.settings.sandbox else None)

    def _audit_log(self) -> AuditLog | None:
        """The file of KLING_MCP_AUDIT_LOG; by default one in the state folder over http, and none over stdio."""
        path = self.settings.hosting.audit_log
        folder, missing = self._place if path is None and self.transport == "http" else (None, "")
        if missing:
            raise ConfigurationError(missing)
        if isinstance(path, Path):
            return AuditLog(path, self.clock, self.owner)
        return AuditLog(folder / FILE_NAME, self.clock, self.owner) if folder else None

    def media_policy(self) -> MediaPolicy:
        """Which local files may be read."""
        folders, why_none = self.settings.readable_dirs(self.transport), self.settings.why_no_files(self.transport)
        # Only commands of a shell keep the sandbox for the next one.
        return MediaPolicy(folders, why_none, is_at_shell=self._keeps_sandbox)

    def notify(self, account: str, task_id: str) -> None:
        """Kling called back about this task of this account (its fingerprint): waits for it poll now.

        Also on other replicas, if they can be reached. Never fails, because waits also poll without it.
        """
        for known in self._accounts_of(account):
            known.notify(task_id)
        self._announce(account, "callback", task_id)

    def _announce(self, account: str, kind: ChangeKind, subject_id: str) -> None:
        """Announce a change to the other replicas, without waiting; `listen_for_notifications` sends it."""
        if self._shared is not None:
            self._shared.notifications.say(Change(account, kind, subject_id))

    async def listen_for_notifications(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Exchange notifications with other replicas, forever. Ends at once if the state is not shared.

        A task group's `start` returns when it starts to listen, which needs the database.
        """
        if self._shared is None:
            task_status.started()
            return
        notifications = self._shared.notifications
        is_hearing = False
        async with anyio.create_task_group() as group, aclosing(notifications.listen()) as changes:
            group.start_soon(notifications.send)
            async for change in changes:
                if change is not None:
                    for account in self._accounts_of(change.account):
                        account.hear(change)
                    continue
                for account in list(self._accounts.values()):
                    account.library.invalidate()
                if not is_hearing:
                    is_hearing = True
                    task_status.started()

    def _accounts_of(self, fingerprint: str) -> list[Account]:
        return [account for account in list(self._accounts.values()) if account.client.account == fingerprint]

    async def aclose(self) -> None:
        """Finish what is being sent, if that takes no longer than a moment, and close every connection."""
        await self.in_flight.aclose()
        if self._saving is not None:
            await self._saving.aclose()
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
            sender = self._senders[base_url] = Sender(base_url, self.clock, make_transport=self._replaced_network)
        return sender

    @cached_property
    def _sandbox(self) -> Callable[[], httpx.AsyncBaseTransport]:
        """Makes connections to one simulated Kling, for the API and for files."""
        from kling_mcp.simulator import sandbox_transports  # noqa: PLC0415 - sandbox only

        return sandbox_transports(self.clock.wall, self._place[0], explained_sandbox)


def _shared_store(settings: Settings, clock: Clock) -> PostgresStore | None:
    """The store shared by replicas, if the settings name one; only then is its driver loaded.

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
