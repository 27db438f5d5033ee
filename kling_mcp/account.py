"""Everything that belongs to one Kling account, wired: client, journal, library, creating and waiting.

It knows no settings: the runtime gives `AccountFactory` plain values.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from kling_mcp.api.auth import ApiKey, Credential, credential_fingerprint
from kling_mcp.api.billing import BillingApi
from kling_mcp.api.client import KlingClient
from kling_mcp.api.generations import GenerationApi
from kling_mcp.api.models import ElementTask, KlingTask, VoiceTask
from kling_mcp.api.packs import ceilings_of, read_packs
from kling_mcp.api.throttle import CreateGate
from kling_mcp.billing.balance import BalanceReader
from kling_mcp.concurrency.call_limit import CallLimit
from kling_mcp.elements.create import KIND, ElementCreator
from kling_mcp.elements.refusals import Refusals
from kling_mcp.elements.submissions import Submissions
from kling_mcp.generation.generator import Generator
from kling_mcp.generation.history import GenerationHistory
from kling_mcp.generation.past_lists import past_lists
from kling_mcp.generation.prepare import Surroundings
from kling_mcp.generation.routes import generation_routes
from kling_mcp.library.index import Library
from kling_mcp.library.sqlite.catalogue import SqliteCatalogue
from kling_mcp.library.voices import KIND as VOICE
from kling_mcp.library.voices import VoiceCatalogue
from kling_mcp.store.verified import VerifiedStore
from kling_mcp.tasks.collector import TaskCollector
from kling_mcp.tasks.journal import Journal
from kling_mcp.tasks.kind import TaskKind, make_kind
from kling_mcp.tasks.rounds import Rounds
from kling_mcp.tasks.route import T, TaskRoute
from kling_mcp.tasks.schedule import ELEMENT_SECONDS, IMAGE_SECONDS, VIDEO_SECONDS, VOICE_SECONDS, PollSchedule
from kling_mcp.tasks.slots import Ceilings
from kling_mcp.thumbnails.cache import FileThumbnailCache, MemoryThumbnailCache, ThumbnailCache
from kling_mcp.thumbnails.thumbnails import Thumbnails
from kling_mcp.voices.create import VoiceCreator

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from pathlib import Path

    import anyio

    from kling_mcp.api.sender import Sender
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.concurrency.shutdown import Shutdown
    from kling_mcp.generation.models import VideoRoute
    from kling_mcp.library.records import Submitted
    from kling_mcp.media.policy import MediaPolicy
    from kling_mcp.results.background import BackgroundSaver
    from kling_mcp.store import Store
    from kling_mcp.store.change import Change, ChangeKind
    from kling_mcp.tasks.budget import Budget
    from kling_mcp.tasks.in_flight import InFlight
    from kling_mcp.tasks.quota import SubmitQuota
    from kling_mcp.tasks.schedule import PublishedDurations
    from kling_mcp.thumbnails.fetch import PictureFetcher


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Account:
    """Everything that belongs to one Kling account; only `in_flight` is shared with others, whose ids are theirs.

    Attributes:
        fingerprint: of the whole credential, see `credential_fingerprint`.
        store: the state, as this credential may use it.
        prove: makes sure that Kling accepts the credential, where callers bring their own; asks only once. Raises
            KlingError. Without that, nothing is written, counted or cancelled under the account.
    """

    client: KlingClient
    fingerprint: str
    store: Store
    prove: Callable[[], Awaitable[None]]
    creator: ElementCreator
    refusals: Refusals
    element_tasks: TaskKind[ElementTask]
    voice_tasks: TaskKind[VoiceTask]
    journal: Journal
    collector: TaskCollector
    library: Library
    voices: VoiceCatalogue
    voice_creator: VoiceCreator
    thumbnails: Thumbnails
    calls: CallLimit
    in_flight: InFlight
    generator: Generator
    generations: GenerationHistory
    balance: BalanceReader

    @property
    def kinds(self) -> tuple[TaskKind[Any], ...]:
        """Every kind of task, in the order in which an unknown id is tried."""
        return self.element_tasks, self.voice_tasks, *self.generator.kinds.values()

    async def record_results(self, tasks: Iterable[KlingTask]) -> Mapping[str, Submitted]:
        """Record tasks of any kind that were just read; returns what was asked for elements. Never fails."""
        read = list(tasks)
        if any(isinstance(task, VoiceTask) for task in read):
            self.voices.invalidate()
        return await self.creator.record_results([task for task in read if isinstance(task, ElementTask)])

    def sending(self, external_task_id: str) -> str:
        """How much of a request has been sent: `3.1 of 6.5 MB`; "" if it is small, or not on its way."""
        return self.in_flight.sending(self.client.account, external_task_id)

    def waits_for(self, external_task_id: str) -> str:
        """The slots that a request waits for, such as `3 of 3 in use`; "" if it waits for none."""
        return self.in_flight.waits_for(self.client.account, external_task_id)

    def notify(self, task_id: str) -> None:
        """A change of this task was announced: waits for it poll now."""
        for kind in self.kinds:
            kind.poller.notify(task_id)

    def hear(self, change: Change) -> None:
        """Another replica announced a change. It is not trusted: the next question asks Kling."""
        if change.kind == "deletion":
            self.library.doubt(change.subject_id)
        else:
            self.library.invalidate()
        if change.kind == "callback":
            self.notify(change.subject_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFactory:
    """What the accounts of a process share; `make` wires one account.

    Args:
        open_store: returns the store of the process; nothing is opened before an account is made.
        state_folder: for the index and the thumbnails; None keeps them in memory.
        fetcher: opens links to pictures; None opens none.
        callback_url_for: the address that Kling should call for an external_task_id, or "".
        announce: announces changes of an account (its fingerprint) to other replicas; None if there are none.
        max_calls: how many calls of an account may run at once; 0 sets no limit.
        callers_bring_credentials: then Kling must accept them before they give access to any state.
        extra_routes: of models that the table does not list.
        saver: saves results of generations.
        budget: what an account may spend.
        note_proof: told of a credential (its fingerprint) that Kling accepts, or refuses.
        strangers: limits the requests of all accounts together whose credentials Kling has not accepted yet.
    """

    clock: Clock
    rng: random.Random
    owner: str
    shutdown: Shutdown
    in_flight: InFlight
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
    note_proof: Callable[[str, bool], None]
    extra_routes: tuple[VideoRoute, ...]
    saver: BackgroundSaver
    budget: Budget
    strangers: anyio.Semaphore | None

    def make(self, sender: Sender, credential: Credential) -> Account:
        """The account behind a credential, whose requests go through `sender`."""
        # By the whole credential: index and thumbnails answer without asking Kling whether the secret is correct.
        fingerprint = credential_fingerprint(credential, sender.host)
        client = KlingClient(sender, credential, self.clock, partial(self.note_proof, fingerprint), self.strangers)
        store = self._store_for(client, credential)
        journal = Journal(store, client.account, self.clock, self.owner, self.quota, budget=self.budget)
        thumbnails = Thumbnails(self._thumbnail_cache(fingerprint), self.fetcher)
        submissions = Submissions(journal, self.clock)
        library = self._make_library(client, submissions, fingerprint)
        refusals = Refusals(journal)
        ceilings = Ceilings(self.clock, partial(self._read_ceilings, client))
        elements = self._make_kind(element_route(client), journal, ceilings, ELEMENT_SECONDS)
        voices = self._make_kind(voice_route(client), journal, ceilings, VOICE_SECONDS)
        voice_creator = self._make_voice_creator(voices, client, journal)
        generator = self._make_generator(client, journal, library, refusals, ceilings)
        return Account(
            client=client,
            fingerprint=fingerprint,
            store=store,
            prove=client.verify_credentials if self.callers_bring_credentials else _need_no_proof,
            creator=self._make_creator(
                elements, client, journal, library, submissions=submissions, refusals=refusals, thumbnails=thumbnails
            ),
            refusals=refusals,
            element_tasks=elements,
            voice_tasks=voices,
            journal=journal,
            collector=TaskCollector(journal, (elements, voices, *generator.kinds.values()), self.clock, self.in_flight),
            library=library,
            voices=voice_creator.voices,
            voice_creator=voice_creator,
            thumbnails=thumbnails,
            calls=CallLimit(self.max_calls),
            in_flight=self.in_flight,
            generator=generator,
            generations=self._make_history(client, store),
            balance=BalanceReader(BillingApi(client, self.clock), journal, self.clock),
        )

    def _make_voice_creator(self, kind: TaskKind[VoiceTask], client: KlingClient, journal: Journal) -> VoiceCreator:
        return VoiceCreator(
            kind,
            account=client.account,
            journal=journal,
            voices=VoiceCatalogue(client, self.clock),
            clock=self.clock,
            callback_url_for=self.callback_url_for,
        )

    def _make_creator(
        self,
        kind: TaskKind[ElementTask],
        client: KlingClient,
        journal: Journal,
        library: Library,
        *,
        submissions: Submissions,
        refusals: Refusals,
        thumbnails: Thumbnails,
    ) -> ElementCreator:
        return ElementCreator(
            kind,
            account=client.account,
            policy=self.media_policy,
            journal=journal,
            library=library,
            submissions=submissions,
            refusals=refusals,
            clock=self.clock,
            save_picture=thumbnails.save,
            callback_url_for=self.callback_url_for,
        )

    def _make_library(self, client: KlingClient, submissions: Submissions, fingerprint: str) -> Library:
        return Library(
            client,
            SqliteCatalogue(self.state_folder, fingerprint),
            self.clock,
            submitted=submissions.of_records,
            announce=partial(self.announce, client.account) if self.announce else None,
        )

    def _make_generator(
        self, client: KlingClient, journal: Journal, library: Library, refusals: Refusals, ceilings: Ceilings
    ) -> Generator:
        has_api_key = client.credential_kind != "key_pair"
        durations = {"video": VIDEO_SECONDS, "image": IMAGE_SECONDS}
        routes = generation_routes(GenerationApi(client), has_api_key=has_api_key)
        together = Rounds(routes[0], self.clock) if has_api_key else None  # every route reads `/tasks`
        kinds = {
            route.kind: self._make_kind(route, journal, ceilings, durations[route.product], rounds=together)
            for route in routes
        }
        surroundings = Surroundings(
            library=library,
            policy=self.media_policy,
            has_api_key=has_api_key,
            explain=refusals.facts,
            extra_routes=self.extra_routes,
        )
        return Generator(
            kinds,
            surroundings,
            account=client.account,
            journal=journal,
            saver=self.saver,
            clock=self.clock,
            callback_url_for=self.callback_url_for,
        )

    def _make_history(self, client: KlingClient, store: Store) -> GenerationHistory:
        has_api_key = client.credential_kind != "key_pair"
        lists = past_lists(GenerationApi(client), self.clock, has_api_key=has_api_key)
        return GenerationHistory(store, client.account, lists, self.saver.saver)

    async def _read_ceilings(self, client: KlingClient) -> Mapping[str, int]:
        return ceilings_of(await read_packs(client, self.clock.wall()))

    def _make_kind(
        self,
        route: TaskRoute[T],
        journal: Journal,
        ceilings: Ceilings,
        durations: PublishedDurations,
        *,
        rounds: Rounds[T] | None = None,
    ) -> TaskKind[T]:
        gate = CreateGate(self.max_creates, self.clock, self.rng)
        return make_kind(
            route,
            journal,
            gate,
            self.clock,
            schedule=PollSchedule(durations),
            in_flight=self.in_flight,
            shutdown=self.shutdown,
            ceilings=ceilings,
            rounds=rounds,
        )

    def _store_for(self, client: KlingClient, credential: Credential) -> Store:
        store = self.open_store()
        if not self.callers_bring_credentials:
            return store
        # State is keyed by the whole API key, so an invented one finds nothing to read.
        return VerifiedStore(store, client.verify_credentials, for_reading=not isinstance(credential, ApiKey))

    def _thumbnail_cache(self, fingerprint: str) -> ThumbnailCache | None:
        """Where an account's thumbnails are kept, if anywhere."""
        if not self.keeps_thumbnails:
            return None
        folder = self.state_folder
        return FileThumbnailCache(folder, fingerprint) if folder else MemoryThumbnailCache()


async def _need_no_proof() -> None:
    """The credential is the operator's own."""


def element_route(client: KlingClient) -> TaskRoute[ElementTask]:
    """Elements as a kind of task. fact: element-routes"""
    return TaskRoute(KIND, client.create_element, client.get_task, client.list_elements, ElementTask, client.ahead_of)


def voice_route(client: KlingClient) -> TaskRoute[VoiceTask]:
    """Voices as a kind of task. facts: voice-create, voice-lookup, voice-page"""
    return TaskRoute(VOICE, client.create_voice, client.get_voice_task, client.list_voices, VoiceTask, client.ahead_of)
