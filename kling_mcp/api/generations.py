"""The endpoints that make videos and pictures, for one account.

It sends what it is given, once: `generation` checks requests, `tasks` checks repeats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kling_mcp.api import protocol
from kling_mcp.api.generation_models import GenerationTask
from kling_mcp.api.protocol import Request
from kling_mcp.errors import UnexpectedReplyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kling_mcp.api.client import KlingClient
    from kling_mcp.api.request_body import Upload

MAX_IDS = 20  # fact: tasks-20
MAX_LISTED = 500  # fact: tasks-list
MAX_PAGES_OF_RUNNING = 4
RUNNING = ("submitted", "processing")


class GenerationApi:
    """Every method raises `KlingError`; see `kling_mcp.errors` for the classes."""

    def __init__(self, client: KlingClient) -> None:
        self._client = client
        self.ahead_of = client.ahead_of

    async def create(
        self, path: str, body: Mapping[str, Any], *, external_task_id: str, upload: Upload | None = None
    ) -> GenerationTask:
        """Send a request that costs, and return its task.

        Args:
            path: of the route, which in the 3.0 standard names the model (fact: gen30-routes).
            body: complete, with the external id in the place where the route reads it (fact: gen-external-id).
            upload: kept up to date while the body is sent.

        Raises:
            UnknownOutcomeError, ServerError: the task may exist; look it up by `external_task_id`.
        """
        request = Request("POST", path, "create", body=body, external_task_id=external_task_id, upload=upload)
        return protocol.decode_task(request, await self._client.send(request), GenerationTask)

    async def get(self, path: str, task_or_external_id: str) -> GenerationTask:
        """One task on the older route that made it. facts: old-query, gen-route-bound

        Raises:
            NotFoundError: this route knows no such task.
        """
        request = protocol.query_task(path, task_or_external_id)
        return protocol.decode_task(request, await self._client.send(request), GenerationTask)

    async def page(self, path: str, page_num: int, page_size: int) -> list[GenerationTask]:
        """One page of the tasks of an older route. `page_num` 1 to 1000, `page_size` 1 to 500. fact: old-query"""
        data = await self._client.send(protocol.page_of(path, page_num, page_size))
        return protocol.decode_tasks(data, GenerationTask)

    async def get_many(self, names: Sequence[str]) -> list[GenerationTask]:
        """Tasks of any route by task ids or external ids, with an API key; unknown ones are absent. fact: tasks-get

        Task ids are all digits, external ids of ours never are.
        """
        by_id = [name for name in names if name.isdecimal()]
        by_external_id = [name for name in names if not name.isdecimal()]
        found = await self._query("task_ids", by_id)
        return found + await self._query("external_task_ids", by_external_id)

    async def running(self) -> list[GenerationTask]:
        """The newest tasks that have not ended, up to 2,000, elements among them. fact: tasks-list-filters"""
        tasks, cursor = await self.recent(limit=MAX_LISTED, statuses=RUNNING)
        for _ in range(MAX_PAGES_OF_RUNNING - 1):
            if not cursor:
                break
            more, cursor = await self.recent(limit=MAX_LISTED, cursor=cursor)
            tasks += more
        return tasks

    async def recent(
        self, *, limit: int, cursor: str = "", product: str = "", statuses: Sequence[str] = ()
    ) -> tuple[list[GenerationTask], str]:
        """Tasks of the last 30 days in Kling's order, with the next cursor or "". fact: tasks-list

        Args:
            limit: 1 to 500.
            product: `video` or `image`; "" for both.
            statuses: Kling's words; none for all.
        """
        body: dict[str, Any] = {"limit": limit}
        if cursor:
            body["cursor"] = cursor
        wanted = {"product_type": [product] if product else [], "status": list(statuses)}
        if filters := [{"key": key, "values": values} for key, values in wanted.items() if values]:
            body["filters"] = filters
        data = await self._client.send(Request("POST", protocol.TASKS, body=body))
        if not isinstance(data, dict):
            raise UnexpectedReplyError("Kling's answer is not a list of tasks.", http_status=200)
        following = data.get("next_cursor") if data.get("has_more") else ""
        tasks = protocol.decode_tasks(data.get("result"), GenerationTask)
        return tasks, following if isinstance(following, str) else ""

    async def _query(self, parameter: str, names: Sequence[str]) -> list[GenerationTask]:
        found: list[GenerationTask] = []
        for some in _chunks(names):
            request = Request("GET", protocol.TASKS, params={parameter: ",".join(some)}, is_query=True)
            tasks = protocol.decode_tasks(await self._client.send(request), GenerationTask)
            readable = [task for task in tasks if task.task_id]
            if len(some) == 1 and tasks and not readable:  # the task exists: "unknown" would make it be paid again
                raise UnexpectedReplyError("Kling's answer holds a task that cannot be read.", http_status=200)
            found += readable
        return found


def _chunks(names: Sequence[str]) -> Iterable[Sequence[str]]:
    return (names[start : start + MAX_IDS] for start in range(0, len(names), MAX_IDS))
