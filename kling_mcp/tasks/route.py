"""How one kind of task is submitted, read and listed at Kling: all that the core knows about it.

A new kind is one `TaskRoute`, wired in `account`, and a `KlingTask` model that says what its results are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from kling_mcp.api.models import KlingTask

if TYPE_CHECKING:
    from kling_mcp.api.request_body import Upload

T = TypeVar("T", bound=KlingTask)
T_co = TypeVar("T_co", bound=KlingTask, covariant=True)


class Submit(Protocol[T_co]):
    """Sends one request that creates something."""

    async def __call__(self, body: Mapping[str, Any], /, *, external_task_id: str, upload: Upload) -> T_co:
        """The new task; `upload` is kept up to date meanwhile.

        Raises:
            KlingError: `created` says whether the task may exist anyway.
        """
        ...


@dataclass(frozen=True, slots=True)
class TaskRoute(Generic[T]):
    """The operations of one kind of task, for one account.

    Attributes:
        kind: `element`, `voice`, ...; recorded in the journal and part of every request's identity.
        submit: sends a body under an external task id.
        get: one task by its task id or external task id; NotFoundError if Kling has none.
        list: one page of the account's tasks by page number (from 1) and page size (up to 500); others than of this
            kind may be among them.
        model: what `get` and `list` return.
        ahead_of: how many seconds Kling's clock is ahead of a time, by its last reply; 0 if that is not known.
        get_many: several tasks by task ids or external task ids in few requests, without those that Kling does not
            have; None if there is no such operation.
        running: tasks that have not ended, of this kind and perhaps others, in few requests; perhaps not all of them,
            and None if there is no such operation.
        product: what callers call this kind, if not `kind`: several routes may make videos.
        finds_external_ids: whether it is known that `get` finds every task by its external task id.
    """

    kind: str
    submit: Submit[T]
    get: Callable[[str], Awaitable[T]]
    list: Callable[[int, int], Awaitable[list[T]]]
    model: type[T]
    ahead_of: Callable[[float], float]
    get_many: Callable[[Sequence[str]], Awaitable[Sequence[T]]] | None = None
    running: Callable[[], Awaitable[Sequence[T]]] | None = None
    product: str = ""
    finds_external_ids: bool = False

    @property
    def shown_kind(self) -> str:
        """What callers call this kind."""
        return self.product or self.kind

    def unseen(self, task_id: str, external_task_id: str) -> T:
        """A task that exists but could not be read just now."""
        return self.model.model_validate({"task_id": task_id, "task_info": {"external_task_id": external_task_id}})
