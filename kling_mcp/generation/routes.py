"""Videos and pictures as kinds of task.

With an API key every task is read through `/tasks`, whichever route made it (facts: gen-lookup, tasks-get). With a
key pair a task is read on the route that made it (facts: auth-pair-legacy-only, gen-route-bound), so each older route
is a kind of its own.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from kling_mcp.api.generation_models import GenerationTask
from kling_mcp.errors import NotFoundError
from kling_mcp.generation.models import IMAGE_ROUTES, VIDEO_ROUTES
from kling_mcp.sanitize import quote
from kling_mcp.tasks.route import TaskRoute

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_mcp.api.generations import GenerationApi
    from kling_mcp.api.request_body import Upload
    from kling_mcp.generation.prices import Product

PATH, BODY = "path", "body"


def generation_routes(api: GenerationApi, *, has_api_key: bool) -> tuple[TaskRoute[GenerationTask], ...]:
    """Every kind that this credential can make."""
    if has_api_key:
        return _through_tasks(api, "video"), _through_tasks(api, "image")
    videos = dict.fromkeys(route.path for route in VIDEO_ROUTES if not route.needs_api_key)
    images = dict.fromkeys(route.path for route in IMAGE_ROUTES)
    return (
        *(_on_its_own(api, path, "video") for path in videos),
        *(_on_its_own(api, path, "image") for path in images),
    )


def kind_of(path: str, product: Product, *, has_api_key: bool) -> str:
    """The kind of task that a request to this path makes."""
    return product if has_api_key else path.removeprefix("/v1/").replace("/", "-")


def _through_tasks(api: GenerationApi, product: Product) -> TaskRoute[GenerationTask]:
    async def get(name: str) -> GenerationTask:
        if found := await api.get_many([name]):
            return found[0]
        raise NotFoundError(f"Kling knows no task {quote(name, 80)}.", advice="Check the id and the region.")

    async def page(page_num: int, page_size: int) -> list[GenerationTask]:
        tasks, cursor = await api.recent(limit=page_size)
        for _ in range(page_num - 1):
            if not cursor:
                return []
            tasks, cursor = await api.recent(limit=page_size, cursor=cursor)
        return tasks

    return TaskRoute(
        product,
        partial(_submit, api),
        get,
        page,
        GenerationTask,
        api.ahead_of,
        get_many=api.get_many,
        running=api.running,
        product=product,
        finds_external_ids=True,
    )


def _on_its_own(api: GenerationApi, path: str, product: Product) -> TaskRoute[GenerationTask]:
    kind = kind_of(path, product, has_api_key=False)
    get, page = partial(api.get, path), partial(api.page, path)
    return TaskRoute(kind, partial(_submit, api), get, page, GenerationTask, api.ahead_of, product=product)


async def _submit(
    api: GenerationApi, request: Mapping[str, Any], *, external_task_id: str, upload: Upload
) -> GenerationTask:
    """Send a request, which says where it goes: a model of the 3.0 standard has a path of its own."""
    return await api.create(request[PATH], request[BODY], external_task_id=external_task_id, upload=upload)
