"""Everything that belongs to one Kling account, wired: client, journal, library, creating and waiting.

It knows no settings: the runtime gives `SharedParts` plain values. What only some calls use is wired, and its modules
are loaded, when it is first asked for: a client starts the server for every chat, and most chats only read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from kling_mcp.api.auth import ApiKey, Credential, credential_fingerprint
from kling_mcp.api.client import KlingClient
from kling_mcp.api.models import ElementTask, KlingTask, VoiceTask
from kling_mcp.concurrency.call_limit import CallLimit
from kling_mcp.elements.outcomes import OutcomeRecorder
from kling_mcp.elements.refusals import Refusals
from kling_mcp.elements.submissions import Submissions
from kling_mcp.library.index import Library
from kling_mcp.library.records import ELEMENT, VOICE
from kling_mcp.library.sqlite.catalogue import SqliteCatalogue
from kling_mcp.store.verified import VerifiedStore
from kling_mcp.tasks.journal import Journal
from kling_mcp.tasks.route import T, TaskRoute
from kling_mcp.tasks.schedule import ELEMENT_SECONDS, IMAGE_SECONDS, VIDEO_SECONDS, VOICE_SECONDS, PollSchedule

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from pathlib import Path

    import anyio

    from kling_mcp.api.sender import Sender
    from kling_mcp.billing.balance import BalanceReader
    from kling_mcp.concurrency.clock import Clock
    from kling_mcp.concurrency.shutdown import Shutdown
    from kling_mcp.elements.create import ElementCreator
    from kling_mcp.generation.extra_models import ExtraModel
    from kling_mcp.generation.generator import Generator
    from kling_mcp.generation.history import GenerationHistory
    from kling_mcp.library.records import Submitted
    from kling_mcp.library.voices import VoiceCatalogue
    from kling_mcp.media.policy import MediaPolicy
    from kling_mcp.results.background import BackgroundSaver
    from kling_mcp.store import Store
    from kling_mcp.store.change import Change, ChangeKind
    from kling_mcp.tasks.budget import Budget
    from kling_mcp.tasks.collector import TaskCollector
    from kling_mcp.tasks.in_flight import InFlight
    from kling_mcp.tasks.kind import TaskKind
    from kling_mcp.tasks.quota import SubmitQuota
    from kling_mcp.tasks.rounds import Rounds
    from kling_mcp.tasks.schedule import PublishedDurations
    from kling_mcp.tasks.slots import Ceilings
    from kling_mcp.thumbnails.cache import ThumbnailCache
    from kling_mcp.thumbnails.fetch import PictureFetcher
    from kling_mcp.thumbnails.thumbnails import Thumbnails
    from kling_mcp.voices.create import VoiceCreator


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedParts:
    """What the accounts of a process share. Functions make what is not opened before it is used.

    Args:
        open_store: returns the store of the process; nothing is opened before an account is made.
        state_folder: for the index and the thumbnails; None keeps them in memory.
        open_fetcher: opens links to pictures; it returns None where none is opened.
        callback_url_for: the address that Kling should call for an external_task_id, or "".
        announce: announces changes of an account (its fingerprint) to other replicas; None if there are none.
        max_calls: how many calls of an account may run at once; 0 sets no limit.
        callers_bring_credentials: then Kling must accept them before they give access to any state.
        extra_models: models that the table does not list.
        open_saver: returns what saves results of generations.
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
    open_fetcher: Callable[[], PictureFetcher | None]
    media_policy: MediaPolicy
    callback_url_for: Callable[[str], Awaitable[str]]
    announce: Callable[[str, ChangeKind, str], None] | None
    quota: SubmitQuota
    max_creates: int
    max_calls: int
    callers_bring_credentials: bool
    note_proof: Callable[[str, bool], None]
    extra_models: Iterable[ExtraModel]
    open_saver: Callable[[], BackgroundSaver]
    budget: Budget
    strangers: anyio.Semaphore | None


class Account:
    """Everything that belongs to one Kling account; only `in_flight` is shared with others, whose ids are theirs.

    Attributes:
        fingerprint: of the whole credential, see `credential_fingerprint`.
        store: the state, as this credential may use it.
        prove: makes sure that Kling accepts the credential, where callers bring their own; asks only once. Raises
            KlingError. Without that, nothing is written, counted or cancelled under the account.
    """

    def __init__(self, shared: SharedParts, sender: Sender, credential: Credential) -> None:
        """The account behind a credential, whose requests go through `sender`."""
        # By the whole credential: index and thumbnails answer without asking Kling whether the secret is correct.
        self.fingerprint = credential_fingerprint(credential, sender.host)
        note_proof = partial(shared.note_proof, self.fingerprint)
        self.client = KlingClient(sender, credential, shared.clock, note_proof, shared.strangers)
        self.prove = self.client.verify_credentials if shared.callers_bring_credentials else _need_no_proof
        self.store = _store_for(self.client, credential, shared)
        self.journal = Journal(
            self.store, self.client.account, shared.clock, shared.owner, shared.quota, budget=shared.budget
        )
        submissions = Submissions(self.journal, shared.clock)
        self.library = Library(
            self.client,
            SqliteCatalogue(shared.state_folder, self.fingerprint),
            shared.clock,
            submitted=submissions.of_records,
            announce=partial(shared.announce, self.client.account) if shared.announce else None,
        )
        self.outcomes = OutcomeRecorder(self.journal, submissions, self.library)
        self.refusals = Refusals(self.journal)
        self.calls = CallLimit(shared.max_calls)
        self.in_flight = shared.in_flight
        self._shared = shared

    # --- what Kling makes

    @cached_property
    def element_tasks(self) -> TaskKind[ElementTask]:
        """Elements as a kind of task."""
        return self._make_kind(element_route(self.client), ELEMENT_SECONDS)

    @cached_property
    def voice_tasks(self) -> TaskKind[VoiceTask]:
        """Voices as a kind of task."""
        return self._make_kind(voice_route(self.client), VOICE_SECONDS)

    @property
    def kinds(self) -> tuple[TaskKind[Any], ...]:
        """Every kind of task, in the order in which an unknown id is tried."""
        return self.element_tasks, self.voice_tasks, *self.generator.kinds.values()

    @cached_property
    def collector(self) -> TaskCollector:
        """Waits for tasks of every kind."""
        from kling_mcp.tasks.collector import TaskCollector  # noqa: PLC0415 - most calls wait for nothing

        return TaskCollector(self.journal, self.kinds, self._shared.clock, self.in_flight)

    @cached_property
    def creator(self) -> ElementCreator:
        """Creates elements."""
        from kling_mcp.elements.create import ElementCreator  # noqa: PLC0415 - most calls create nothing

        return ElementCreator(
            self.element_tasks,
            account=self.client.account,
            policy=self._shared.media_policy,
            journal=self.journal,
            library=self.library,
            outcomes=self.outcomes,
            refusals=self.refusals,
            clock=self._shared.clock,
            save_picture=self.thumbnails.save,
            callback_url_for=self._shared.callback_url_for,
        )

    @cached_property
    def thumbnails(self) -> Thumbnails:
        """Pictures of the elements."""
        from kling_mcp.thumbnails.thumbnails import Thumbnails  # noqa: PLC0415 - most calls show no pictures

        return Thumbnails(self._thumbnail_cache(), self._shared.open_fetcher())

    @cached_property
    def voices(self) -> VoiceCatalogue:
        """The voices that the account can use."""
        from kling_mcp.library.voices import VoiceCatalogue  # noqa: PLC0415 - most calls use no voice

        return VoiceCatalogue(self.client, self._shared.clock)

    @cached_property
    def voice_creator(self) -> VoiceCreator:
        """Creates voices."""
        from kling_mcp.voices.create import VoiceCreator  # noqa: PLC0415 - most calls create nothing

        return VoiceCreator(
            self.voice_tasks,
            account=self.client.account,
            journal=self.journal,
            voices=self.voices,
            clock=self._shared.clock,
            callback_url_for=self._shared.callback_url_for,
        )

    @cached_property
    def generator(self) -> Generator:
        """Makes videos and pictures."""
        from kling_mcp.api.generations import GenerationApi  # noqa: PLC0415 - most calls generate nothing
        from kling_mcp.generation.extra_models import extra_routes  # noqa: PLC0415 - as above
        from kling_mcp.generation.generator import Generator  # noqa: PLC0415 - as above
        from kling_mcp.generation.prepare import Surroundings  # noqa: PLC0415 - as above
        from kling_mcp.generation.routes import generation_routes  # noqa: PLC0415 - as above
        from kling_mcp.tasks.rounds import Rounds  # noqa: PLC0415 - as above

        durations = {"video": VIDEO_SECONDS, "image": IMAGE_SECONDS}
        routes = generation_routes(GenerationApi(self.client), has_api_key=self._has_api_key)
        # With an API key every route reads `/tasks`.
        together = Rounds(routes[0], self._shared.clock) if self._has_api_key else None
        surroundings = Surroundings(
            library=self.library,
            policy=self._shared.media_policy,
            has_api_key=self._has_api_key,
            explain=self.refusals.facts,
            extra_routes=extra_routes(self._shared.extra_models),
        )
        return Generator(
            {route.kind: self._make_kind(route, durations[route.product], together) for route in routes},
            surroundings,
            account=self.client.account,
            journal=self.journal,
            saver=self._shared.open_saver(),
            clock=self._shared.clock,
            callback_url_for=self._shared.callback_url_for,
        )

    @cached_property
    def generations(self) -> GenerationHistory:
        """The videos and pictures that were made."""
        from kling_mcp.api.generations import GenerationApi  # noqa: PLC0415 - most calls look for no generation
        from kling_mcp.generation.history import GenerationHistory  # noqa: PLC0415 - as above
        from kling_mcp.generation.past_lists import past_lists  # noqa: PLC0415 - as above

        lists = past_lists(GenerationApi(self.client), self._shared.clock, has_api_key=self._has_api_key)
        return GenerationHistory(self.store, self.client.account, lists, self._shared.open_saver().saver)

    @cached_property
    def balance(self) -> BalanceReader:
        """What is left to spend."""
        from kling_mcp.api.billing import BillingApi  # noqa: PLC0415 - one tool's own
        from kling_mcp.billing.balance import BalanceReader  # noqa: PLC0415 - as above

        return BalanceReader(BillingApi(self.client, self._shared.clock), self.journal, self._shared.clock)

    # --- what happens to tasks

    async def record_results(self, tasks: Iterable[KlingTask]) -> Mapping[str, Submitted]:
        """Record tasks of any kind that were just read; returns what was asked for elements. Never fails."""
        read = list(tasks)
        if any(isinstance(task, VoiceTask) for task in read):
            self.voices.invalidate()
        return await self.outcomes.record([task for task in read if isinstance(task, ElementTask)])

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

    # --- wiring

    @property
    def _has_api_key(self) -> bool:
        return self.client.credential_kind != "key_pair"

    def _make_kind(
        self, route: TaskRoute[T], durations: PublishedDurations, rounds: Rounds[T] | None = None
    ) -> TaskKind[T]:
        from kling_mcp.api.throttle import CreateGate  # noqa: PLC0415 - most calls create nothing and wait for nothing
        from kling_mcp.tasks.kind import make_kind  # noqa: PLC0415 - as above

        shared = self._shared
        return make_kind(
            route,
            self.journal,
            CreateGate(shared.max_creates, shared.clock, shared.rng),
            shared.clock,
            schedule=PollSchedule(durations),
            in_flight=self.in_flight,
            shutdown=shared.shutdown,
            ceilings=self._ceilings,
            rounds=rounds,
        )

    @cached_property
    def _ceilings(self) -> Ceilings:
        from kling_mcp.api.packs import ceilings_of, read_packs  # noqa: PLC0415 - as for kinds of tasks
        from kling_mcp.tasks.slots import Ceilings  # noqa: PLC0415 - as above

        client, clock = self.client, self._shared.clock

        async def read() -> Mapping[str, int]:
            return ceilings_of(await read_packs(client, clock.wall()))

        return Ceilings(clock, read)

    def _thumbnail_cache(self) -> ThumbnailCache | None:
        """Where an account's thumbnails are kept, if anywhere."""
        from kling_mcp.thumbnails.cache import FileThumbnailCache, MemoryThumbnailCache  # noqa: PLC0415 - as above

        if not self._shared.keeps_thumbnails:
            return None
        folder = self._shared.state_folder
        return FileThumbnailCache(folder, self.fingerprint) if folder else MemoryThumbnailCache()


def _store_for(client: KlingClient, credential: Credential, shared: SharedParts) -> Store:
    store = shared.open_store()
    if not shared.callers_bring_credentials:
        return store
    # State is keyed by the whole API key, so an invented one finds nothing to read.
    return VerifiedStore(store, client.verify_credentials, for_reading=not isinstance(credential, ApiKey))


async def _need_no_proof() -> None:
    """The credential is the operator's own."""


def element_route(client: KlingClient) -> TaskRoute[ElementTask]:
    """Elements as a kind of task. fact: element-routes"""
    return TaskRoute(
        ELEMENT, client.create_element, client.get_task, client.list_elements, ElementTask, client.ahead_of
    )


def voice_route(client: KlingClient) -> TaskRoute[VoiceTask]:
    """Voices as a kind of task. facts: voice-create, voice-lookup, voice-page"""
    return TaskRoute(VOICE, client.create_voice, client.get_voice_task, client.list_voices, VoiceTask, client.ahead_of)
