"""`KlingClient`: one method per endpoint for elements and voices, for one account.

It sends what it is given, once: `elements` checks pictures and names, `tasks` checks repeats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from kling_mcp.api import protocol
from kling_mcp.api.auth import Authenticator, Credential, account_fingerprint, clock_skew
from kling_mcp.api.models import ElementTask, KlingTask, VoiceTask
from kling_mcp.api.protocol import Request
from kling_mcp.errors import AuthError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kling_mcp.api.request_body import Upload
    from kling_mcp.api.sender import Sender
    from kling_mcp.concurrency.clock import Clock

T = TypeVar("T", bound=KlingTask)

MAX_EXCHANGES = 20  # at once, for one account


class KlingClient:
    """The endpoints, with the credential of one account over a shared `Sender`.

    Every method raises `KlingError`; see `kling_mcp.errors` for the classes.
    """

    def __init__(
        self,
        sender: Sender,
        credential: Credential,
        clock: Clock,
        note_proof: Callable[[bool], None] = lambda _: None,
        strangers: anyio.Semaphore | None = None,
    ) -> None:
        """
        Args:
            note_proof: told when Kling first accepts the credential, and when it no longer does.
            strangers: limits the requests of all credentials together that Kling has not accepted yet.
        """
        self.sender = sender
        self._auth = Authenticator(credential, clock.wall)
        self.account = account_fingerprint(credential, sender.host)
        self._is_verified = False
        self._note_proof = note_proof
        self._strangers = strangers
        self._own_share = anyio.Semaphore(MAX_EXCHANGES)

    @property
    def credential_kind(self) -> str:
        """`api_key`, `key_pair` or `sandbox`."""
        return self._auth.kind

    async def verify_credentials(self) -> None:
        """Make sure that Kling accepts the credential; asks only if it has not done so before.

        Raises:
            AuthError, ClockError: it does not.
        """
        if not self._is_verified:
            await self.list_elements(1, 1)

    def ahead_of(self, now: float) -> float:
        """How many seconds Kling's clock is ahead of `now`, by the date of its last reply; 0 if that is not known."""
        return clock_skew(self.sender.last_date, now) or 0.0

    async def create_element(
        self, body: Mapping[str, Any], *, external_task_id: str, upload: Upload | None = None
    ) -> ElementTask:
        """Send a creation and return its task. Creations are free (fact: create-is-free).

        Args:
            body: as `PreparedElement.body()` of `elements.draft` makes it (fact: create-fields). A picture is a
                link, its bare Base64 text, or its `bytes`, which are encoded on the way out.
            external_task_id: sent with it, so that the task can be looked up after a lost reply.
            upload: is kept up to date with how much has been sent.

        Raises:
            UnknownOutcomeError, ServerError: the task may exist; look it up by `external_task_id`.
        """
        return await self._create(protocol.CUSTOM_ELEMENTS, body, external_task_id, ElementTask, upload)

    async def get_task(self, task_or_external_id: str) -> ElementTask:
        """One task by its id or external id, never by an element id. fact: query-takes-task-id

        Raises:
            NotFoundError: Kling knows no such task (fact: msg-task-not-found).
        """
        return await self._get(protocol.CUSTOM_ELEMENTS, task_or_external_id, ElementTask)

    async def list_elements(self, page_num: int = 1, page_size: int = 30) -> list[ElementTask]:
        """One page of the account's own tasks, including running, failed and deleted ones.

        `page_num` 1 to 1000, `page_size` 1 to 500. facts: list-is-tasks, list-shows-deleted
        """
        return await self._list(protocol.CUSTOM_ELEMENTS, page_num, page_size, ElementTask)

    async def list_preset_elements(self, page_num: int = 1, page_size: int = 30) -> list[ElementTask]:
        """One page of the official elements, owned by `kling`. fact: presets"""
        return await self._list(protocol.PRESET_ELEMENTS, page_num, page_size, ElementTask)

    async def list_voices(self, page_num: int = 1, page_size: int = 30) -> list[VoiceTask]:
        """One page of the account's own voices. `page_size` 1 to 1000. fact: voice-page"""
        return await self._list(protocol.CUSTOM_VOICES, page_num, page_size, VoiceTask)

    async def list_preset_voices(self, page_num: int = 1, page_size: int = 30) -> list[VoiceTask]:
        """One page of the official voices. `page_size` 1 to 1000. fact: voice-page"""
        return await self._list(protocol.PRESET_VOICES, page_num, page_size, VoiceTask)

    async def delete_element(self, element_id: str) -> None:
        """Permanently delete one of the account's own elements. fact: delete-synchronous

        An element that was already deleted counts as done. fact: delete-twice-is-success

        Raises:
            UnknownOutcomeError: the reply was lost; deleting again does no harm.
        """
        await self._delete(protocol.DELETE_ELEMENTS, {"element_id": element_id})

    async def create_voice(
        self, body: Mapping[str, Any], *, external_task_id: str, upload: Upload | None = None
    ) -> VoiceTask:
        """Create a voice; returns its task. facts: voice-create, voice-cost (0.05 unit)

        Args:
            body: `voice_name`, with `voice_url` or `video_id`.

        Raises:
            UnknownOutcomeError, ServerError: the task may exist; look it up by `external_task_id`.
        """
        return await self._create(protocol.CUSTOM_VOICES, body, external_task_id, VoiceTask, upload)

    async def get_voice_task(self, task_or_external_id: str) -> VoiceTask:
        """One voice's task by its id or external id. fact: voice-lookup

        Raises:
            NotFoundError: Kling knows no such task.
        """
        return await self._get(protocol.CUSTOM_VOICES, task_or_external_id, VoiceTask)

    async def delete_voice(self, voice_id: str) -> None:
        """Permanently delete one of the account's own voices, likewise. facts: voice-routes, voice-lookup

        Raises:
            UnknownOutcomeError: the reply was lost; deleting again does no harm.
        """
        await self._delete(protocol.DELETE_VOICES, {"voice_id": voice_id})

    async def _delete(self, route: str, body: Mapping[str, str]) -> None:
        try:
            await self.send(Request("POST", route, "delete", body=body))
        except RequestError as error:
            if not is_deleted_already(error):
                raise

    async def _create(
        self, route: str, body: Mapping[str, Any], external_task_id: str, model: type[T], upload: Upload | None
    ) -> T:
        named = {**body, "external_task_id": external_task_id}
        request = Request("POST", route, "create", body=named, external_task_id=external_task_id, upload=upload)
        return protocol.decode_task(request, await self.send(request), model)

    async def _get(self, route: str, task_or_external_id: str, model: type[T]) -> T:
        request = protocol.query_task(route, task_or_external_id)
        return protocol.decode_task(request, await self.send(request), model)

    async def _list(self, route: str, page_num: int, page_size: int, model: type[T]) -> list[T]:
        return protocol.decode_tasks(await self.send(protocol.page_of(route, page_num, page_size)), model)

    @property
    def is_verified(self) -> bool:
        """Whether Kling has accepted the credential."""
        return self._is_verified

    async def send(self, request: Request) -> Any:
        """The `data` of Kling's answer to any request.

        It is sent in the account's share of the connections; and among strangers, until one of its requests is
        accepted.
        """
        async with _PlaceIn(self._own_share):
            if self._strangers is not None and not self._is_verified:
                async with _PlaceIn(self._strangers):
                    if not self._is_verified:
                        return await self._exchange(request)
            return await self._exchange(request)

    async def _exchange(self, request: Request) -> Any:
        try:
            reply = await self.sender.send(request, self._auth)
        except AuthError as error:
            # Two keys and two regions are easily mixed up. fact: region-no-fallback
            kind = self.credential_kind.replace("_", " ")
            error.advice = f"The {kind} was sent to {self.sender.base_url}. {error.advice}"
            self._is_verified = False
            self._note_proof(False)
            raise
        if not self._is_verified:
            self._is_verified = True
            self._note_proof(True)
        return reply


class _PlaceIn:
    """Where there is room, without a pause: a creation must not be cancelled between its journal entry and sending."""

    def __init__(self, share: anyio.Semaphore) -> None:
        self._share = share

    async def __aenter__(self) -> None:
        try:
            self._share.acquire_nowait()
        except anyio.WouldBlock:
            await self._share.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._share.release()


def is_deleted_already(error: RequestError) -> bool:
    """fact: msg-deleted-twice"""
    return error.code == 1201 and "already be deleted" in error.vendor_message.lower()


def is_external_id_used(error: RequestError) -> bool:
    """Kling has a task with this external id already. fact: msg-external-id-used"""
    text = error.vendor_message.lower()
    return error.code == 1201 and "external_task_id" in text and "already exist" in text
