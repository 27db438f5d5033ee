"""Reads the bodies of the older video routes.

facts: old-routes, old-omni-fields, old-image2video-fields, old-duration-text

Turns a body into an Order or raises RefusedError; whatever it does not use stands in the order's `ignored`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from kling_mcp.simulator.codes import refuse_value
from kling_mcp.simulator.generation.fields import Fields
from kling_mcp.simulator.generation.handles import unmatched_older
from kling_mcp.simulator.generation.inputs import FindElement, Inputs, check_counts, check_video
from kling_mcp.simulator.generation.order import REFERENCE_SECONDS, Order, Sound
from kling_mcp.simulator.generation.prices import Family
from kling_mcp.simulator.pictures import MAX_PICTURE_BYTES
from kling_mcp.simulator.validation import read_callback

RATIOS = ("16:9", "9:16", "1:1")
RESOLUTIONS = {"std": "720p", "pro": "1080p", "4k": "4k"}
PROMPT_CHARACTERS = 2500
_ROLES = {"first_frame": "first_frame", "end_frame": "last_frame"}


@dataclass(frozen=True, slots=True)
class _Route:
    """What one route takes. `models` maps names to families; `default` is what it makes without a name.

    No fact lists the fields of text2video: they are read as those of image2video, with a ratio and without pictures.
    """

    function: str
    models: Mapping[str, Family]
    default: str
    ratio: bool = False


# facts: gen-name-the-model, old-default-models. A default that is in no route's models is discontinued.
_ROUTES: Mapping[str, _Route] = MappingProxyType(
    {
        "v1-omni-video": _Route(
            "Omni Video", {"kling-v3-omni": "omni", "kling-video-o1": "o1"}, "kling-video-o1", ratio=True
        ),
        "v1-text2video": _Route("Text to Video", {"kling-v3": "3.0"}, "kling-v1", ratio=True),
        "v1-image2video": _Route("Image to Video", {"kling-v3": "3.0"}, "kling-v1"),
        "v1-motion-control": _Route("Motion Control", {"kling-v3": "motion"}, "kling-v2-6"),
    }
)


@dataclass(slots=True)
class _Given:
    """One body while it is read. `given` and `to_name` are as in `unmatched_older`."""

    root: Fields
    family: Family
    inputs: Inputs
    given: dict[str, int]
    to_name: dict[str, list[int]]
    prompt: str = ""


def read_older_video(route: str, body: Mapping[str, object], find_element: FindElement) -> Order:
    """Check one body. Raises RefusedError (1201)."""
    rules = _ROUTES[route]
    root = Fields(body)
    model = read_model(root, rules.models, rules.default)
    given = _Given(root, rules.models[model], Inputs(find_element), {}, {})
    sound: Sound
    if route == "v1-motion-control":
        seconds, sound = _read_motion(given)
    else:
        _read_inputs(route, given)
        seconds, sound = _read_length(given), _read_sound(given)
    ratio = _read_ratio(given, required=route == "v1-omni-video") if rules.ratio else ""
    read_elements(root, given.inputs, given.given, given.to_name)
    check_counts(given.family, given.inputs)
    mode = root.choice("mode", _modes(given.family), "pro")
    return Order(
        product="video",
        function=rules.function,
        model=model,
        family=given.family,
        resolution=RESOLUTIONS[mode],
        prompt=given.prompt,
        aspect_ratio=ratio,
        seconds=seconds,
        sound=sound,
        has_video=given.inputs.has_video or route == "v1-motion-control",
        has_references=given.inputs.has_references,
        has_voice=given.inputs.has_voice,
        has_video_element=given.inputs.has_video_element,
        watermark=root.inner("watermark_info").flag("enabled", default=False),
        callback_url=read_callback(root.text("callback_url")),
        external_task_id=root.text("external_task_id"),
        picture_sums=tuple(given.inputs.picture_sums),
        ignored=(*root.unread(), *unmatched_older(given.prompt, given.given, given.to_name)),
    )


def read_model(root: Fields, models: Mapping[str, Family], default: str) -> str:
    """The model's name. Raises RefusedError for one that is unknown or discontinued (fact: gen-name-the-model)."""
    name = root.text("model_name") or default
    if name not in models:
        raise refuse_value(f"model_name value '{name}' is invalid or discontinued")
    return name


def read_elements(root: Fields, inputs: Inputs, given: dict[str, int], to_name: dict[str, list[int]]) -> None:
    """`element_list`, whose places are handles (fact: handle-legacy). Raises RefusedError."""
    rows = root.rows("element_list")
    for row in rows:
        inputs.add_element(row.value("element_id"), as_text=False)
    given["element"] = len(rows)
    to_name["element"] = list(range(1, len(rows) + 1))


def _modes(family: Family) -> Sequence[str]:
    return ("std", "pro", "4k") if family in {"3.0", "omni"} else ("std", "pro")


def _read_inputs(route: str, given: _Given) -> None:
    root, inputs = given.root, given.inputs
    if route == "v1-image2video":
        for name, role in (("image", "first_frame"), ("image_tail", "last_frame")):
            if root.text(name):
                inputs.add_picture(root.text(name), name, MAX_PICTURE_BYTES)
                inputs.roles.add(role)
        if not inputs.roles:
            raise refuse_value("image is required")
        root.text("negative_prompt", most=PROMPT_CHARACTERS)
    elif route == "v1-text2video":
        root.text("negative_prompt", most=PROMPT_CHARACTERS)
    else:
        _read_omni_inputs(given)


def _read_omni_inputs(given: _Given) -> None:
    root, inputs = given.root, given.inputs
    rows = root.rows("image_list")
    for place, row in enumerate(rows, start=1):
        inputs.add_picture(row.text("image_url", required=True), f"{row.where}image_url", MAX_PICTURE_BYTES)
        if row.text("type"):  # fact: old-no-type
            inputs.roles.add(_ROLES[row.choice("type", tuple(_ROLES))])
        else:
            inputs.pictures += 1
            given.to_name.setdefault("image", []).append(place)
    if inputs.last_frame and len(rows) > 2:
        raise refuse_value("image_list: an end_frame needs at most 2 pictures")
    videos = root.rows("video_list")
    if len(videos) > 1:
        raise refuse_value("The number of videos must be at most 1")
    for row in videos:
        check_video(row.text("video_url", required=True), f"{row.where}video_url")
        inputs.roles.add(row.choice("refer_type", ("base", "feature"), "base") + "_video")
        row.choice("keep_original_sound", ("yes", "no"), "yes")
    given.given |= {"image": len(rows), "video": len(videos)}


def _read_sound(given: _Given) -> Sound:
    sounds = ("off",) if given.inputs.has_video or given.family == "o1" else ("off", "on")
    return "native" if given.root.choice("sound", sounds, "off") == "on" else "off"


def _read_ratio(given: _Given, *, required: bool) -> str:
    optional = not required or given.inputs.first_frame or given.inputs.base_video
    return given.root.choice("aspect_ratio", RATIOS, RATIOS[0] if optional else "")


def _read_length(given: _Given) -> int:
    """Seconds, after the prompt or the shots that they belong to."""
    root, inputs = given.root, given.inputs
    customized = _customizes(given)
    given.prompt = root.text("prompt", required=not customized, most=PROMPT_CHARACTERS)
    if inputs.base_video:
        return REFERENCE_SECONDS  # `duration` has no effect, so it is not read
    seconds = root.whole_text("duration", 3, 10 if given.family == "o1" else 15, 5)
    if given.family == "o1" and not inputs.has_references and not inputs.last_frame and seconds not in {5, 10}:
        raise refuse_value("duration must be 5 or 10")
    if customized:
        shots = root.rows("multi_prompt")
        lengths = [shot.whole_text("duration", 1, seconds, 0) for shot in shots]
        texts = [shot.text("prompt", required=True, most=512) for shot in shots]
        places = [shot.whole("index", 1, 6, 0) for shot in shots]
        if not 1 <= len(shots) <= 6 or sum(lengths) != seconds or places != list(range(1, len(shots) + 1)):
            raise refuse_value("multi_prompt must be 1 to 6 shots in order that add up to the duration")
        given.prompt = " ".join([given.prompt, *texts])
    return seconds


def _customizes(given: _Given) -> bool:
    """Whether the shots are given; O1 and a base video take none."""
    if given.family == "o1" or given.inputs.base_video or not given.root.flag("multi_shot", default=False):
        return False
    return given.root.choice("shot_type", ("customize", "intelligence")) == "customize"


def _read_motion(given: _Given) -> tuple[int, Sound]:
    """Fact: old-motion-fields."""
    root, inputs = given.root, given.inputs
    given.prompt = root.text("prompt", most=PROMPT_CHARACTERS)
    inputs.add_picture(root.text("image_url", required=True), "image_url", MAX_PICTURE_BYTES)
    check_video(root.text("video_url", required=True), "video_url")
    orientation = root.choice("character_orientation", ("image", "video"))
    if orientation == "image" and root.rows("element_list"):
        raise refuse_value("character_orientation must be video with an element")
    kept = root.choice("keep_original_sound", ("yes", "no"), "yes")
    return REFERENCE_SECONDS, "original" if kept == "yes" else "off"
