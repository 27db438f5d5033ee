"""Everything of one Kling account, wired: its client, its journal, its library, and what creates and waits.

It knows no settings: `AccountFactory` is given plain values by the runtime.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from kling_mcp.api.auth import ApiKey, Credential, credential_fingerprint
from kling_mcp.api.client import KlingClient
from kling_mcp.api.throttle import CreateGate
from kling_mcp.elements.create import Creator
from kling_mcp.elements.name_guard import NameGuard
from kling_mcp.errors import StorageError
from kling_mcp.library.index import Library
from kling_mcp.library.sqlite.catalogue import SqliteCatalogue
from kling_mcp.library.voices import VoiceCatalogue
from kling_mcp.store.verified import VerifiedStore
from kling_mcp.tasks.collector import TaskCollector
from kling_mcp.tasks.journal import Journal
from kling_mcp.tasks.lookup import TaskLookup
from kling_mcp.tasks.poller import Poller
from kling_mcp.tasks.quota import CallLimit, SubmitQuota
from kling_mcp.thumbnails.cache import FileThumbnailCache, MemoryThumbnailCache, ThumbnailCache
from kling_mcp.thumbnails.thumbnails import Thumbnails

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path

    from kling_mcp.api.models import ElementTask
    from kling_mcp.api.sender import Sender
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.concurrency.shutdown import Shutdown
    from kling_mcp.media.policy import MediaPolicy
    from kling_mcp.store import Store
    from kling_mcp.store.change import Change, ChangeKind
    from kling_mcp.thumbnails.fetch import PictureFetcher


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Account:
    """Everything that belongs to one Kling account; nothing here is shared with another."""

    client: KlingClient
    creator: Creator
    poller: Poller
    journal: Journal
    names: NameGuard
    collector: TaskCollector
    library: Library
    voices: VoiceCatalogue
    album: Thumbnails
    calls: CallLimit

    async def record_results(self, tasks: Iterable[ElementTask]) -> None:
        """Write down what became of tasks that were just looked at.

        A state folder that fails does not matter here: the next look says the same.
        """
        seen = list(tasks)
        with suppress(StorageError):
            await self.journal.record_results(seen)
        await self.library.record_results(seen)

    def hear(self, change: Change) -> None:
        """Another replica said that something changed. It is not believed: the next question asks Kling."""
        if change.kind == "deletion":
            self.library.doubt(change.subject_id)
        else:
            self.library.invalidate()
        if change.kind == "callback":
            self.poller.notify(change.subject_id)

    async def asked_voice(self, task: ElementTask) -> str:
        """The voice that was asked for when the task's element was created from here, or ""."""
        with suppress(StorageError):
            known = await self.library.catalogue.with_id(task.task_id)
            return next((record.asked_voice_id for record in known if record.asked_voice_id), "")
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFactory:
    """What the accounts of a process have in common; `make` wires one of them.

    Args:
        open_store: gives the store of the process; nothing is opened before an account is made.
        state_folder: for the index and the thumbnails; None keeps them in memory.
        fetcher: opens links to pictures; None opens none.
        callback_url_for: the address that Kling shall call for an external_task_id, or "".
        announce: says to other replicas what changed of an account (its fingerprint); None where there are none.
        max_calls: how many calls of an account may run at once; 0 sets no limit.
        callers_bring_credentials: they must then be accepted by Kling before they reach any state.
    """

    clock: Clock
    rng: random.Random
    owner: str
    shutdown: Shutdown
    open_store: Callable[[], Store]
    state_folder: Path | None
    keeps_thumbnails: bool
    fetcher: PictureFetcher | None
    media_policy: MediaPolicy
    callback_url_for: Callable[[str], Awaitable[str]]
    announce: Callable[[str, ChangeKind, str], None] | None
    quota: SubmitQuota
    max_creates: int
    max_calls: int
    callers_bring_credentials: bool

    def make(self, sender: Sender, credential: Credential) -> Account:
        """The account behind a credential, whose requests go through `sender`."""
        client = KlingClient(sender, credential, self.clock)
        journal = Journal(self._journal_store(client, credential), client.account, self.clock, self.owner, self.quota)
        # By the whole credential: index and thumbnails answer without asking Kling whether the secret is right.
        fingerprint = credential_fingerprint(credential, sender.host)
        album = Thumbnails(self._thumbnail_cache(fingerprint), self.fetcher)
        announce = partial(self.announce, client.account) if self.announce else None
        library = Library(client, SqliteCatalogue(self.state_folder, fingerprint), self.clock, announce)
        names = NameGuard(library)
        searcher = TaskLookup(client, journal)
        poller = Poller(client, self.clock, shutdown=self.shutdown)
        creator = Creator(
            client,
            searcher=searcher,
            policy=self.media_policy,
            journal=journal,
            names=names,
            gate=CreateGate(self.max_creates, self.clock, self.rng),
            clock=self.clock,
            keep_picture=album.save,
            shutdown=self.shutdown,
            call_back_to=self.callback_url_for,
        )
        return Account(
            client=client,
            creator=creator,
            poller=poller,
            journal=journal,
            names=names,
            collector=TaskCollector(journal, poller, searcher, self.clock),
            library=library,
            voices=VoiceCatalogue(client, self.clock),
            album=album,
            calls=CallLimit(self.max_calls),
        )

    def _journal_store(self, client: KlingClient, credential: Credential) -> Store:
        store = self.open_store()
        if not self.callers_bring_credentials:
            return store
        # State is named by the whole of an API key, so an invented one finds nothing to read.
        return VerifiedStore(store, client.verify_credentials, for_reading=not isinstance(credential, ApiKey))

    def _thumbnail_cache(self, fingerprint: str) -> ThumbnailCache | None:
        """Where an account's thumbnails are kept, if they are."""
        if not self.keeps_thumbnails:
            return None
        folder = self.state_folder
        return FileThumbnailCache(folder, fingerprint) if folder else MemoryThumbnailCache()
