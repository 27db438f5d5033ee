"""Reads the bodies of the 3.0 standard's four routes.

facts: gen30-routes, gen30-models, gen30-prompt, gen30-prompt-lengths, gen30-first-frame-required, gen30-content-ids

Turns a body into an Order or raises RefusedError; whatever it does not use stands in the order's `ignored`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from types import MappingProxyType

from kling_mcp.simulator.codes import NO_SUCH_RESOURCE, RefusedError, refuse_value
from kling_mcp.simulator.generation.fields import Fields
from kling_mcp.simulator.generation.handles import unmatched_new
from kling_mcp.simulator.generation.inputs import MAX_NEW_PICTURE_BYTES, FindElement, Inputs, check_counts, check_video
from kling_mcp.simulator.generation.order import REFERENCE_SECONDS, Order, Sound
from kling_mcp.simulator.generation.prices import Family
from kling_mcp.simulator.validation import read_callback

RATIOS = ("16:9", "9:16", "1:1")
_FRAMES = ("first_frame", "last_frame")
_OMNI = (*_FRAMES, "refer_image", "feature_video", "base_video", "element")
_PICTURES, _VIDEOS = {*_FRAMES, "refer_image", "image"}, {"feature_video", "base_video", "video"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What one model takes on one route. Empty `sounds`: there is no such field; `contents` without the prompt."""

    family: Family
    function: str
    resolutions: Sequence[str] = ("720p", "1080p")
    sounds: Sequence[Sound] = ()
    most_seconds: int = 15
    ratio: bool = False
    multi_shot: bool = False
    prompt: int = 3072
    contents: Sequence[str] = ()
    needs: Sequence[str] = ()


_ALL = ("720p", "1080p", "4k")
_TEXT, _IMAGE = "Text to Video", "Image to Video"
_SOUNDS: tuple[Sound, ...] = ("off", "native")
# fact: gen30-models. Models whose fields no fact tells are not played.
MODELS: Mapping[tuple[str, str], Model] = MappingProxyType(
    {
        ("text-to-video", "kling-3.0-turbo"): Model(family="turbo", function=_TEXT, ratio=True),
        ("text-to-video", "kling-3.0"): Model(
            family="3.0", function=_TEXT, resolutions=_ALL, sounds=_SOUNDS, ratio=True, multi_shot=True
        ),
        ("image-to-video", "kling-3.0-turbo"): Model(
            family="turbo", function=_IMAGE, prompt=2500, contents=("first_frame",), needs=("first_frame",)
        ),
        ("image-to-video", "kling-3.0"): Model(
            family="3.0",
            function=_IMAGE,
            resolutions=_ALL,
            sounds=_SOUNDS,
            multi_shot=True,
            contents=(*_FRAMES, "element"),
            needs=("first_frame",),
        ),
        ("omni-video", "kling-3.0-omni"): Model(
            family="omni",
            function="Omni Video",
            resolutions=_ALL,
            sounds=(*_SOUNDS, "original"),
            ratio=True,
            multi_shot=True,
            contents=_OMNI,
            needs=("prompt",),
        ),
        ("omni-video", "kling-o1"): Model(
            family="o1",
            function="Omni Video",
            sounds=("off", "original"),
            most_seconds=10,
            ratio=True,
            prompt=2500,
            contents=_OMNI,
            needs=("prompt",),
        ),
        ("motion-control", "kling-3.0"): Model(
            family="motion",
            function="Motion Control",
            sounds=("original", "off"),
            most_seconds=0,
            prompt=2500,
            contents=("image", "video", "element"),
            needs=("image", "video"),
        ),
    }
)


@dataclass(slots=True)
class _Contents:
    """The contents, read. `ids` are their handles, `to_name` those that the prompt must name."""

    inputs: Inputs
    prompt: str = ""
    types: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    to_name: list[tuple[str, str]] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def read_new(
    route: str, model_name: str, body: Mapping[str, object], find_element: FindElement, like: str = ""
) -> Order:
    """Check one body, by the rules of the model `like` if given. Raises RefusedError (1201, or 1203: no such model)."""
    model = MODELS.get((route, like or model_name))
    if model is None:
        raise RefusedError(NO_SUCH_RESOURCE, f"The requested model does not exist: {model_name}")
    root = Fields(body)
    given = _Contents(Inputs(find_element))
    if route == "text-to-video":
        given.prompt = root.text("prompt", required=True, most=model.prompt)
    else:
        _read_contents(root, model, given)
    settings, options = root.inner("settings"), root.inner("options")
    sound, resolution = _sound(settings, model, given.inputs), settings.choice("resolution", model.resolutions, "720p")
    ratio, seconds = _ratio(settings, model, route, given), _seconds(settings, model, given)
    _check_shots(settings, model, given, seconds)
    watermark = options.inner("watermark_info").flag("enabled", default=False)
    callback, external_id = read_callback(options.text("callback_url")), options.text("external_task_id")
    handles = unmatched_new(given.prompt, given.ids, given.to_name)
    return Order(
        product="video",
        function=model.function,
        model=model_name,
        family=model.family,
        resolution=resolution,
        prompt=given.prompt,
        aspect_ratio=ratio,
        seconds=seconds,
        sound=sound,
        has_video=given.inputs.has_video or model.family == "motion",
        has_references=given.inputs.has_references,
        has_voice=given.inputs.has_voice,
        has_video_element=given.inputs.has_video_element,
        watermark=watermark,
        callback_url=callback,
        external_task_id=external_id,
        picture_sums=tuple(given.inputs.picture_sums),
        ignored=(*root.unread(), *given.ignored, *handles),
    )


def _read_contents(root: Fields, model: Model, given: _Contents) -> None:
    rows = root.rows("contents")
    if not rows:
        raise refuse_value("contents is required")
    for row in rows:
        kind = row.text("type")
        if kind != "prompt" and kind not in model.contents:  # misspelt or misplaced: the whole row has no effect
            given.ignored.append(f"{row.where}type {kind}")
            continue
        if kind in given.types and kind not in {"refer_image", "element"}:
            raise refuse_value(f"contents: more than one {kind}")
        given.types.append(kind)
        _read_content(row, kind, model, given)
    missing = [kind for kind in model.needs if kind not in given.types]
    if missing:
        raise refuse_value(f"contents: {missing[0]} is required")
    if any(one in other for one, other in permutations(given.ids, 2)):
        raise refuse_value("contents: each id must be unique and no part of another")  # fact: handle-new
    check_counts(model.family, given.inputs)


def _read_content(row: Fields, kind: str, model: Model, given: _Contents) -> None:
    if kind == "prompt":
        given.prompt = row.text("text", required=True, most=model.prompt)
        return
    inputs = given.inputs
    handle = row.text("id", required=kind == "element") if model.family in {"omni", "o1"} or kind == "element" else ""
    if handle:
        given.ids.append(handle)
    if kind in {"refer_image", "element"}:
        given.to_name.append((f"{row.where}id {handle}", handle))
    if kind == "element":
        inputs.add_element(row.value("element_id"), as_text=True)
    elif kind in _PICTURES:
        inputs.add_picture(row.text("url", required=True), f"{row.where}url", MAX_NEW_PICTURE_BYTES)
        inputs.pictures += kind == "refer_image"
    elif kind in _VIDEOS:
        check_video(row.text("url", required=True), f"{row.where}url")
    inputs.roles.add(kind)


def _sound(settings: Fields, model: Model, inputs: Inputs) -> Sound:
    if not model.sounds:
        return "native"  # sound is always made
    found = settings.choice("audio", model.sounds, model.sounds[0])
    if inputs.feature_video and found != "off":  # fact: gen30-with-video
        raise refuse_value("audio must be off with a feature_video")
    if inputs.base_video and found == "native":
        raise refuse_value("audio can not be native with a base_video")
    if found == "original" and not (inputs.base_video or model.family == "motion"):
        raise refuse_value("audio original needs a base_video")
    return found


def _ratio(settings: Fields, model: Model, route: str, given: _Contents) -> str:
    if not model.ratio:
        return ""
    required = route == "omni-video" and not (given.inputs.first_frame or given.inputs.base_video)
    return settings.choice("aspect_ratio", RATIOS, "" if required else RATIOS[0])


def _seconds(settings: Fields, model: Model, given: _Contents) -> int:
    """Facts: gen30-models, gen30-with-video. What has no effect is not read."""
    if not model.most_seconds:
        if settings.choice("character_orientation", ("image", "video")) == "image" and given.inputs.elements:
            raise refuse_value("character_orientation must be video with an element")
        return REFERENCE_SECONDS
    if given.inputs.base_video:
        return REFERENCE_SECONDS
    seconds = settings.whole("duration", 3, model.most_seconds, 5)
    alone = not (given.inputs.has_references or given.inputs.last_frame)
    if model.family == "o1" and alone and seconds not in {5, 10}:
        raise refuse_value("duration must be 5 or 10")
    return seconds


_SHOT = re.compile(r"shot\s+(\d+)\s*,\s*(\d+)\s*,\s*([^;]*);")


def _check_shots(settings: Fields, model: Model, given: _Contents, seconds: int) -> None:
    """Facts: gen30-shots, gen30-shot-text. With `multi_shot` off, such a prompt makes one piece."""
    if model.multi_shot and not given.inputs.base_video:
        cuts = settings.flag("multi_shot", default=True)
        if given.inputs.feature_video and not cuts:
            raise refuse_value("multi_shot must be true with a feature_video")
        if not cuts:
            return
    elif model.multi_shot and settings.flag("multi_shot", default=False):
        raise refuse_value("multi_shot must be false with a base_video")
    elif model.family != "turbo":
        return
    shots = _SHOT.findall(given.prompt)
    lengths = [int(length) for _, length, _ in shots]
    if not shots:
        return
    if len(shots) > 6 or min(lengths) < 1 or sum(lengths) != seconds:
        raise refuse_value("the shots must be at most 6 and add up to the duration")
    if any(len(words.strip()) > 512 for _, _, words in shots):
        raise refuse_value("a shot must be at most 512 characters")
