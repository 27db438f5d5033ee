"""The state of the simulated Kling: accounts with their tasks, elements and voices, on an injected clock.

Its interface is plain Python; HTTP, the vendor's envelope and the faults are elsewhere.
Every rule comes from a fact in docs/kling-api.md, cited by id. Of a picture, only the sent text is kept.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from heapq import heappop, heappush
from itertools import islice
from types import MappingProxyType
from typing import Literal

from kling_mcp.simulator import ids
from kling_mcp.simulator.codes import refuse_value
from kling_mcp.simulator.credentials import SANDBOX_API_KEY, Keyring
from kling_mcp.simulator.durations import Durations, default_durations
from kling_mcp.simulator.generation.ledger import Ledger, Pack
from kling_mcp.simulator.generation.order import Order
from kling_mcp.simulator.generation.prices import VOICE_UNITS
from kling_mcp.simulator.presets import preset_elements, preset_voices
from kling_mcp.simulator.quirks import Quirks
from kling_mcp.simulator.records import (
    SUCCEED,
    Account,
    ElementTask,
    GenerationTask,
    M,
    Made,
    T,
    TaskList,
    VoiceTask,
)
from kling_mcp.simulator.request_log import RequestRecord
from kling_mcp.simulator.validation import ElementRequest, Rules, VoiceRequest

MAX_BODY_BYTES = 40_000_000  # fact: body-40mb
RISK_CONTROL = "Failure to pass the risk control system"  # fact: msg-moderated
# Shared by all seeded elements: half a million of them should fit into memory.
_SEEDED_FRONT = "https://pictures.example.com/seeded-front.png"
_SEEDED_SIDES = ("https://pictures.example.com/seeded-side.png",)
_NOTHING: Mapping[str, str] = MappingProxyType({})


def refuse_used(account: Account, external_task_id: str) -> None:
    """Refuse an external id that any task of the account has (facts: gen-external-id, msg-external-id-used)."""
    if external_task_id in account.by_external_id:
        raise refuse_value(f"External_task_id {external_task_id} already exists")


class World:
    """One simulated Kling. All arguments are optional; without credentials every request is refused.

    `clock` gives Unix seconds and drives everything; `skew_seconds` shifts the server's own time from it (Date
    header, JWT checks). Each API key or access key has its own account, unless `accounts` maps several credentials
    to one name. `sandbox` also accepts `SANDBOX_API_KEY`, and `any_api_key` accepts every API key, each with its own
    account. Every account begins with the `packs`, and with `cash` in dollars that pays where no pack does. Links to
    results begin with `files_origin`, or with the address that the client called.
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
        packs: Iterable[Pack] | None = None,
        cash: Decimal | int | None = None,
        files_origin: str = "",
        skew_seconds: float = 0.0,
        max_body_bytes: int = MAX_BODY_BYTES,
        strict: bool = True,
        keep_requests: int = 100_000,
    ) -> None:
        self.clock = clock
        self.quirks = quirks or Quirks()
        self.durations = durations
        self.packs = [Pack("video"), Pack("image")] if packs is None else list(packs)
        self.cash = cash
        self.files_origin = files_origin
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
        self._presets_by_id = {task.element_id: task for task in elements}
        self._preset_voices_by_id = {task.voice_id: task for task in voices}

    def reset(self) -> None:
        """Forget every account's contents and every request. Credentials and quirks stay."""
        self.rng = random.Random(self._seed)  # noqa: S311 - repeatable on purpose, guards nothing
        self.accounts: dict[str, Account] = {}
        self.generations: dict[str, GenerationTask] = {}
        self.requests: list[RequestRecord] = []
        self._numbers = 0
        self._late: list[tuple[float, int, Callable[[], object]]] = []

    @property
    def rules(self) -> Rules:
        """How creations are currently read."""
        return Rules(strict=self.strict, characters=self.quirks.characters)

    def next_number(self, least: int = 0) -> int:
        """A number that was not used before in this world, and is not below `least`."""
        self._numbers = max(self._numbers + 1, least)
        return self._numbers

    def record(self, request: RequestRecord) -> None:
        """Append to `requests`; once there are twice `keep_requests`, the oldest are dropped."""
        self.requests.append(request)
        if len(self.requests) > 2 * self._keep_requests:
            del self.requests[: -self._keep_requests]

    def account(self, name: str) -> Account:
        """The account with that name, made on first use."""
        if name not in self.accounts:
            ledger = Ledger(self.packs, lambda: self.quirks.bill_failed, opened=self.clock(), cash=self.cash)
            self.accounts[name] = Account(name, self.rng, ledger)
        return self.accounts[name]

    def account_of(self, credential: str) -> Account:
        """The account of an API key or access key."""
        return self.account(self.keyring.account_name(credential))

    # ---- work that happens later than its request

    def defer(self, due: float, action: Callable[[], object]) -> None:
        """Run `action` at the first use of the world at or after `due`.

        A server continues with a request whose client has stopped waiting; this simulates it in process.
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
        request: ElementRequest,
        *,
        seconds: float | None = None,
        failure: str = "",
    ) -> ElementTask:
        """Accept a creation. `seconds` overrides how long it takes; with `failure` it ends as failed.

        Raises RefusedError for a used external id or an unknown voice.
        """
        voice = self._usable_voice(account, request.voice_id) if request.voice_id else None
        self._refuse_used(account, request.external_task_id)
        number = self.next_number()
        took = self.durations(request.reference_type, self.rng) if seconds is None else seconds
        created = self.clock()
        task = ElementTask(
            number=number,
            task_id=ids.task_id(number),
            owned_by=account.owner_id,
            created=created,
            started=created + min(1.0, took / 5),
            ended=created + took,
            external_task_id=request.external_task_id,
            callback_url=request.callback_url,
            failure=failure,
            element_id=ids.element_id(number, self.quirks.element_id_digits),
            element_name=request.element_name,
            element_description=request.element_description,
            reference_type=request.reference_type,
            frontal_image=request.frontal_image,
            refer_images=request.refer_images,
            video_url=request.video_url,
            tags=request.tags,
            voice=voice,
        )
        if request.video_url and voice is None and not failure and self.quirks.voice_from_video:
            task.voice = self._add_voice(account, f"voice of {number}", created, took)  # fact: video-voice
        account.keep_element(task)
        account.accept(task)
        return task

    def create_voice(
        self, account: Account, request: VoiceRequest, *, seconds: float | None = None, failure: str = ""
    ) -> VoiceTask:
        """Accept a voice creation (fact: voice-create). Raises RefusedError for a used external id."""
        self._refuse_used(account, request.external_task_id)
        took = self.durations("voice", self.rng) if seconds is None else seconds
        task = self._add_voice(account, request.voice_name, self.clock(), took, request.external_task_id)
        task.callback_url, task.failure, task.voice_url = request.callback_url, failure, request.voice_url
        task.units = VOICE_UNITS
        account.accept(task)
        return task

    def create_generation(
        self, account: Account, order: Order, route: str, *, seconds: float | None = None, failure: str = ""
    ) -> GenerationTask:
        """Accept a video or pictures that an operation has checked and found payable."""
        number = self.next_number()
        took = self.durations(order.kind, self.rng) if seconds is None else seconds
        created = self.clock()
        task = GenerationTask(
            number=number,
            task_id=ids.task_id(number),
            owned_by=account.owner_id,
            created=created,
            started=created + min(1.0, took / 5),
            ended=created + took,
            external_task_id=order.external_task_id,
            callback_url=order.callback_url,
            failure=failure,
            units=order.units,
            route=route,
            order=order,
        )
        account.keep_generation(task)
        account.accept(task)
        self.generations[task.task_id] = task
        return task

    def usable_element(self, account: Account, element_id: str) -> ElementTask:
        """A ready element of the account, or an official one. Raises RefusedError (fact: msg-bad-element)."""
        task = account.elements.get(element_id) or self._presets_by_id.get(element_id)
        if task is None or task.status_at(self.clock()) != SUCCEED or task.deleted_at is not None:
            raise refuse_value("Invalid element id")
        return task

    def find_task(self, account: Account, item_id: str, *, voices: bool) -> Made:
        """By task id, or by external id if this world's quirks allow it (facts: query-*).

        Raises RefusedError with msg-task-not-found, even for another account's task.
        """
        task = account.tasks.get(item_id)
        if task is None and self.quirks.query_by_external_id:
            task = account.by_external_id.get(item_id)
        if task is None or isinstance(task, GenerationTask) or isinstance(task, VoiceTask) is not voices:
            raise refuse_value(f"Task not found by id/external id: {item_id}")
        return task

    def list_tasks(self, tasks: TaskList[T], page_num: int, page_size: int) -> list[T]:
        """One page (fact: list-shape). Costs only its own rows, unless a quirk hides rows: then it walks the list."""
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
        if element_id in self._presets_by_id:
            raise refuse_value("Only custom elements can be deleted")  # fact: presets-not-deletable
        self._delete(account.elements.get(element_id), "Element", element_id)

    def delete_voice(self, account: Account, voice_id: str) -> VoiceTask:
        """Mark as deleted at once, and return its task. Raises RefusedError."""
        if voice_id in self._preset_voices_by_id:
            raise refuse_value("Only custom voices can be deleted")
        return self._delete(account.voices.get(voice_id), "Voice", voice_id)

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
        """Add an element without a request, quickly; it does not count as a creation.

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
        """Add a ready voice without a request."""
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

    @property
    def ignored_fields(self) -> list[str]:
        """What Kling ignored and billed: unknown, misspelt and misplaced fields and handles that match nothing, of
        every accepted generation. facts: gen-unknown-fields-billed, handle-wrong-is-billed
        """
        return [f"{record.method} {record.path}: {name}" for record in self.requests for name in record.ignored]

    def state(self) -> dict[str, object]:
        """A JSON-ready summary of every account."""
        self.settle()
        now = self.clock()
        return {
            "time": now,
            "requests": len(self.requests),
            "ignored_fields": self.ignored_fields,
            "accounts": {name: account.summary(now) for name, account in self.accounts.items()},
        }

    # ---- inside

    def _refuse_used(self, account: Account, external_task_id: str) -> None:
        if self.quirks.refuse_used_external_id:
            refuse_used(account, external_task_id)

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

    def _delete(self, task: M | None, what: str, item_id: str) -> M:
        now = self.clock()
        if task is None or task.status_at(now) != SUCCEED:
            raise refuse_value(f"Invalid {what.lower()} id")
        if task.deleted_at is not None:
            raise refuse_value(f"{what} already be deleted for id: {item_id}")  # fact: msg-deleted-twice
        task.deleted_at = now
        return task
