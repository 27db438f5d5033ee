"""What the journal keeps of a generation, so that its results can be named, described and saved by any later call."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from kling_mcp.generation.shots import without_seconds
from kling_mcp.results.links import without_signature
from kling_mcp.results.sidecar import Description, UsedElement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kling_mcp.api.generation_models import GenerationTask
    from kling_mcp.generation.prepare import PreparedImages, PreparedVideo
    from kling_mcp.results.content import MediaKind

_MAX_REQUEST_CHARACTERS = 12_000


@dataclass(frozen=True, slots=True)
class GenerationMemo:
    """One request as it was made. `request` is JSON text of what was sent, media shortened."""

    prompt: str = ""
    model: str = ""
    settings: Mapping[str, str | int] | None = None
    elements: tuple[tuple[str, str], ...] = ()
    take: int = 1
    save_as: str = ""
    request: str = ""
    estimate: str = ""

    def to_journal(self) -> dict[str, str]:
        """As the journal keeps it: a text for each field that is not empty."""
        kept = {
            "prompt": self.prompt,
            "model": self.model,
            "settings": json.dumps(self.settings or {}),
            "elements": json.dumps(self.elements, ensure_ascii=False),
            "take": str(self.take),
            "save_as": self.save_as,
            "request": self.request[:_MAX_REQUEST_CHARACTERS],
            "estimate": self.estimate,
        }
        return {name: text for name, text in kept.items() if text}

    @classmethod
    def from_journal(cls, memo: Mapping[str, str]) -> GenerationMemo:
        """What `to_journal` wrote; a damaged field is empty."""
        settings, elements = _parsed(memo.get("settings", "")), _parsed(memo.get("elements", ""))
        pairs = [pair for pair in elements if isinstance(pair, list)] if isinstance(elements, list) else []
        take = memo.get("take", "")
        return cls(
            prompt=memo.get("prompt", ""),
            model=memo.get("model", ""),
            settings=settings if isinstance(settings, dict) else {},
            elements=tuple((str(pair[0]), str(pair[1])) for pair in pairs if len(pair) == 2),
            take=int(take) if take.isdecimal() else 1,
            save_as=memo.get("save_as", ""),
            request=memo.get("request", ""),
            estimate=memo.get("estimate", ""),
        )

    def describe(
        self, task: GenerationTask, kind: MediaKind, *, external_task_id: str, units_estimated: str
    ) -> Description:
        """What the sidecars of this task's files say."""
        return Description(
            kind=kind,
            task_id=task.task_id,
            external_task_id=task.external_task_id or external_task_id,
            prompt=self.prompt,
            title=without_seconds(self.prompt),
            elements=[UsedElement(element_id, name) for element_id, name in self.elements],
            settings=dict(self.settings or {}),
            model=self.model,
            take=self.take,
            units_estimated=units_estimated,
            units_deducted=task.units_deducted,
            created_at=task.created_at,
            updated_at=task.updated_at,
            save_as=self.save_as,
        )


def memo_of(prepared: PreparedVideo | PreparedImages, prompt: str, *, take: int, save_as: str) -> GenerationMemo:
    """The memo of a request; `prompt` is the caller's own text, with names."""
    request = prepared.request
    return GenerationMemo(
        prompt=prompt,
        model=request.route.model,
        settings=settings_of(prepared),
        elements=tuple((element.element_id, element.element_name) for element in prepared.elements),
        take=take,
        save_as=save_as,
        request=show_request(request.route.path, request.body("")),
        estimate=str(prepared.estimate),
    )


def settings_of(prepared: PreparedVideo | PreparedImages) -> dict[str, str | int]:
    """The settings of a request, as the tool's arguments name them; those without effect are left out."""
    request = prepared.request
    said: dict[str, str | int | None] = {"resolution": request.resolution, "aspect_ratio": request.aspect_ratio}
    if hasattr(request, "count"):
        said["count"] = request.count
    else:
        said |= {"duration": request.seconds, "audio": request.audio if request.route.audio else ""}
    return {name: value for name, value in said.items() if value}


def content_of(path: str, body: Mapping[str, Any]) -> list[object]:
    """What decides the result, as JSON data: pictures by their bytes."""
    return [path, _with_leaves(body, lambda leaf: sha256(leaf).hexdigest() if isinstance(leaf, bytes) else leaf)]


def show_request(path: str, body: Mapping[str, Any]) -> str:
    """JSON text of a request without pictures' bytes, signatures of links, and the external id."""
    shown = _with_leaves(body, _show_leaf)
    shown.pop("external_task_id", None)
    if isinstance(options := shown.get("options"), dict):
        options.pop("external_task_id", None)
        if not options:
            del shown["options"]
    return json.dumps({"POST": path} | shown, ensure_ascii=False)


def _show_leaf(leaf: Any) -> Any:
    if isinstance(leaf, bytes):
        return f"({len(leaf)} bytes of a picture)"
    return without_signature(leaf) if isinstance(leaf, str) and leaf.startswith("https://") else leaf


def _with_leaves(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {name: _with_leaves(item, change) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_leaves(item, change) for item in value]
    return change(value)


def _parsed(text: str) -> Any:
    with suppress(ValueError):
        return json.loads(text)
    return None
