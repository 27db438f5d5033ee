"""The state of the simulated Kling: accounts with their tasks, elements and voices, on an injected clock.

Accepts and answers in plain Python; HTTP, the vendor's envelope and the faults live elsewhere.
Every rule comes from a fact of docs/kling-api.md, cited by id. Keeps of a picture only the text that was sent.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from heapq import heappop, heappush
from itertools import islice
from types import MappingProxyType
from typing import Literal

from kling_mcp.simulator import ids
from kling_mcp.simulator.codes import refuse_value
from kling_mcp.simulator.credentials import SANDBOX_API_KEY, Keyring
from kling_mcp.simulator.presets import preset_elements, preset_voices
from kling_mcp.simulator.quirks import Quirks
from kling_mcp.simulator.records import SUCCEED, Account, AnyTask, ElementTask, TaskList, VoiceTask
from kling_mcp.simulator.request_log import RequestRecord
from kling_mcp.simulator.validation import ElementRequest, Rules, VoiceRequest

Durations = Callable[[str, random.Random], float]
MAX_BODY_BYTES = 40_000_000  # fact: body-40mb
RISK_CONTROL = "Failure to pass the risk control system"  # fact: msg-moderated
# Shared by all seeded elements: half a million of them should fit into memory.
_SEEDED_FRONT = "https://pictures.example.com/seeded-front.png"
_SEEDED_SIDES = ("https://pictures.example.com/seeded-side.png",)
_NOTHING: Mapping[str, str] = MappingProxyType({})


def default_durations(kind: str, rng: random.Random) -> float:
    """Seconds that a task takes; `kind` is `image_refer`, `video_refer` or `voice`.

    Facts: time-image (5 s), time-voice (9 to 15 s). No figure exists for video elements.
    """
    if kind == "voice":
        return rng.uniform(9, 15)
    return 5.0 if kind == "image_refer" else 20.0


class World:
    """One simulated Kling. All arguments are optional; without credentials nobody is let in.

    `clock` gives Unix seconds and moves everything; `skew_seconds` sets the server's own idea of the time apart
    from it (Date header, JWT checks). An API key or access key is one account of its own; `accounts` maps
    credentials to account names where several share one. `sandbox` lets `SANDBOX_API_KEY` in as well, and
    `any_api_key` every API key, each as an account of its own.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.time,
        *,
        seed: int = 0,
        api_keys: Iterable[str] = (),
        key_pairs: Mapping[str, str] = _NOTHING,
        accounts: Mapping[str, str] = _NOTHING,
        any_api_key: bool = False,
        sandbox: bool = False,
        quirks: Quirks | None = None,
        durations: Durations = default_durations,
        skew_seconds: float = 0.0,
        max_body_bytes: int = MAX_BODY_BYTES,
        strict: bool = True,
        keep_requests: int = 100_000,
    ) -> None:
        self.clock = clock
        self.quirks = quirks or Quirks()
        self.durations = durations
        self.skew_seconds = skew_seconds
        self.max_body_bytes = max_body_bytes
        self.strict = strict
        keys = frozenset(api_keys) | ({SANDBOX_API_KEY} if sandbox else set())
        self.keyring = Keyring(keys, any_api_key, dict(key_pairs), dict(accounts))
        self._seed = seed
        self._keep_requests = keep_requests
        self.reset()
        elements, voices = preset_elements(), preset_voices()
        self.preset_elements = TaskList(self.rng, elements)
        self.preset_voices = TaskList(self.rng, voices)
        self._preset_ids = {task.element_id for task in elements}
        self._preset_voices_by_id = {task.voice_id: task for task in voices}

    def reset(self) -> None:
        """Forget every account's contents and every request. Credentials and quirks stay."""
        self.rng = random.Random(self._seed)  # noqa: S311 - repeatable on purpose, guards nothing
        self.accounts: dict[str, Account] = {}
        self.requests: list[RequestRecord] = []
        self._numbers = 0
        self._late: list[tuple[float, int, Callable[[], object]]] = []

    @property
    def rules(self) -> Rules:
        """How creations are to be read at present."""
        return Rules(strict=self.strict, characters=self.quirks.characters)

    def next_number(self) -> int:
        """A number that was never given before in this world."""
        self._numbers += 1
        return self._numbers

    def record(self, request: RequestRecord) -> None:
        """Append to `requests`; the oldest go once twice `keep_requests` are there."""
        self.requests.append(request)
        if len(self.requests) > 2 * self._keep_requests:
            del self.requests[: -self._keep_requests]

    def account(self, name: str) -> Account:
        """The account of that name, made on first use."""
        if name not in self.accounts:
            self.accounts[name] = Account(name, TaskList(self.rng), TaskList(self.rng))
        return self.accounts[name]

    def account_of(self, credential: str) -> Account:
        """The account of an API key or access key."""
        return self.account(self.keyring.account_name(credential))

    # ---- work that happens later than its request

    def defer(self, due: float, action: Callable[[], object]) -> None:
        """Run `action` as soon as somebody looks at the world at or after `due`.

        A server goes on with a request whose client has stopped waiting; this is how that is played in process.
        """
        heappush(self._late, (due, self.next_number(), action))

    def settle(self) -> None:
        """Run the deferred actions that are due."""
        while self._late and self._late[0][0] <= self.clock():
            heappop(self._late)[2]()

    # ---- what the routes do

    def create_element(
        self,
        account: Account,
        wish: ElementRequest,
        *,
        seconds: float | None = None,
        failure: str = "",
    ) -> ElementTask:
        """Accept a creation. `seconds` overrides how long it takes; with `failure` it ends as failed.

        Raises RefusedError for a used external id or an unknown voice.
        """
        voice = self._usable_voice(account, wish.voice_id) if wish.voice_id else None
        self._refuse_used(account, wish.external_task_id)
        number = self.next_number()
        took = self.durations(wish.reference_type, self.rng) if seconds is None else seconds
        created = self.clock()
        task = ElementTask(
            number=number,
            task_id=ids.task_id(number),
            owned_by=account.owner_id,
            created=created,
            started=created + min(1.0, took / 5),
            ended=created + took,
            external_task_id=wish.external_task_id,
            callback_url=wish.callback_url,
            failure=failure,
            element_id=ids.element_id(number, self.quirks.element_id_digits),
            element_name=wish.element_name,
            element_description=wish.element_description,
            reference_type=wish.reference_type,
            frontal_image=wish.frontal_image,
            refer_images=wish.refer_images,
            video_url=wish.video_url,
            tags=wish.tags,
            voice=voice,
        )
        if wish.video_url and voice is None and not failure and self.quirks.voice_from_video:
            task.voice = self._add_voice(account, f"voice of {number}", created, took)  # fact: video-voice
        account.keep_element(task)
        account.accept(task)
        return task

    def create_voice(
        self, account: Account, wish: VoiceRequest, *, seconds: float | None = None, failure: str = ""
    ) -> VoiceTask:
        """Accept a voice creation (fact: voice-create). Raises RefusedError for a used external id."""
        self._refuse_used(account, wish.external_task_id)
        took = self.durations("voice", self.rng) if seconds is None else seconds
        task = self._add_voice(account, wish.voice_name, self.clock(), took, wish.external_task_id)
        task.callback_url, task.failure, task.voice_url = wish.callback_url, failure, wish.voice_url
        account.creations[wish.external_task_id] += 1
        return task

    def find_task(self, account: Account, item_id: str, *, voices: bool) -> AnyTask:
        """By task id, or by external id if this world's quirks allow it (facts: query-*).

        Raises RefusedError with msg-task-not-found, also for another account's task.
        """
        task = account.tasks.get(item_id)
        if task is None and self.quirks.query_by_external_id:
            task = account.by_external_id.get(item_id)
        if task is None or isinstance(task, VoiceTask) is not voices:
            raise refuse_value(f"Task not found by id/external id: {item_id}")
        return task

    def list_tasks(self, tasks: TaskList, page_num: int, page_size: int) -> list[AnyTask]:
        """One page (fact: list-shape). Costs what it shows, unless a quirk hides rows: then it walks the list."""
        quirks = self.quirks
        if quirks.list_running and quirks.list_deleted:
            return tasks.page(quirks.list_order, page_num, page_size)
        now = self.clock()
        shown = (
            task
            for task in tasks.walk(quirks.list_order)
            if (quirks.list_running or task.ended <= now) and (quirks.list_deleted or task.deleted_at is None)
        )
        start = (page_num - 1) * page_size
        return list(islice(shown, start, start + page_size))

    def delete_element(self, account: Account, element_id: str) -> None:
        """Mark as deleted at once (fact: delete-synchronous). Raises RefusedError."""
        if element_id in self._preset_ids:
            raise refuse_value("Only custom elements can be deleted")  # fact: presets-not-deletable
        self._delete(account.elements.get(element_id), "Element", element_id)

    def delete_voice(self, account: Account, voice_id: str) -> None:
        """Mark as deleted at once. Raises RefusedError."""
        if voice_id in self._preset_voices_by_id:
            raise refuse_value("Only custom voices can be deleted")
        self._delete(account.voices.get(voice_id), "Voice", voice_id)

    # ---- seeding

    def add_element(
        self,
        account: Account | str,
        name: str,
        *,
        description: str = "",
        reference_type: str = "image_refer",
        tags: tuple[str, ...] = (),
        status: Literal["ready", "deleted", "failed", "pending"] = "ready",
        voice_id: str = "",
        external_task_id: str = "",
        created_at: float | None = None,
    ) -> ElementTask:
        """Put an element there without a request, quickly; it counts as no creation.

        A `pending` one takes its usual time from `created_at`. Lists keep the order in which elements were
        added, whatever `created_at` (Unix seconds) says.
        """
        account = self.account(account) if isinstance(account, str) else account
        number = self.next_number()
        created = self.clock() if created_at is None else created_at
        looks = reference_type == "image_refer"
        task = ElementTask(
            number=number,
            task_id=ids.task_id(number),
            owned_by=account.owner_id,
            created=created,
            started=created,
            ended=created + self.durations(reference_type, self.rng) if status == "pending" else created,
            external_task_id=external_task_id,
            failure=RISK_CONTROL if status == "failed" else "",
            deleted_at=created if status == "deleted" else None,
            element_id=ids.element_id(number, self.quirks.element_id_digits),
            element_name=name,
            element_description=description or name,
            reference_type=reference_type,
            frontal_image=_SEEDED_FRONT if looks else "",
            refer_images=_SEEDED_SIDES if looks else (),
            video_url="" if looks else "https://pictures.example.com/seeded.mp4",
            tags=tags,
            voice=self._usable_voice(account, voice_id) if voice_id else None,
        )
        account.keep_element(task)
        return task

    def add_voice(self, account: Account | str, name: str, *, created_at: float | None = None) -> VoiceTask:
        """Put a ready voice there without a request."""
        account = self.account(account) if isinstance(account, str) else account
        return self._add_voice(account, name, self.clock() if created_at is None else created_at, 0.0)

    # ---- what tests ask

    def accepted_creations(self) -> Counter[str]:
        """How often a creation was accepted per external id, over all accounts; "" counts those without one."""
        self.settle()
        total: Counter[str] = Counter()
        for account in self.accounts.values():
            total.update(account.creations)
        return total

    def state(self) -> dict[str, object]:
        """A JSON-ready summary of every account."""
        self.settle()
        now = self.clock()
        return {
            "time": now,
            "requests": len(self.requests),
            "accounts": {name: account.summary(now) for name, account in self.accounts.items()},
        }

    # ---- inside

    def _refuse_used(self, account: Account, external_task_id: str) -> None:
        if self.quirks.refuse_used_external_id and external_task_id in account.by_external_id:
            raise refuse_value(f"External_task_id {external_task_id} already exists")  # msg-external-id-used

    def _add_voice(
        self, account: Account, name: str, created: float, seconds: float, external_task_id: str = ""
    ) -> VoiceTask:
        number = self.next_number()
        task = VoiceTask(
            number=number,
            task_id=ids.task_id(number),
            owned_by=account.owner_id,
            created=created,
            started=created + min(1.0, seconds / 5),
            ended=created + seconds,
            external_task_id=external_task_id,
            voice_id=ids.voice_id(number),
            voice_name=name,
        )
        account.keep_voice(task)
        return task

    def _usable_voice(self, account: Account, voice_id: str) -> VoiceTask:
        task = account.voices.get(voice_id) or self._preset_voices_by_id.get(voice_id)
        if task is None or task.status_at(self.clock()) != SUCCEED or task.deleted_at is not None:
            raise refuse_value(f"Voice id not found: {voice_id}")  # fact: voice-catalogues
        return task

    def _delete(self, task: AnyTask | None, what: str, item_id: str) -> None:
        now = self.clock()
        if task is None or task.status_at(now) != SUCCEED:
            raise refuse_value(f"Invalid {what.lower()} id")
        if task.deleted_at is not None:
            raise refuse_value(f"{what} already be deleted for id: {item_id}")  # fact: msg-deleted-twice
        task.deleted_at = now
