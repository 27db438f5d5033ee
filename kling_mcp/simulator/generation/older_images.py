"""Reads the bodies of the two routes that make pictures. facts: old-images, old-generations-fields

Turns a body into an Order or raises RefusedError; whatever it does not use stands in the order's `ignored`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from kling_mcp.simulator.codes import refuse_value
from kling_mcp.simulator.generation.fields import Fields
from kling_mcp.simulator.generation.handles import unmatched_older
from kling_mcp.simulator.generation.inputs import FindElement, Inputs, check_counts
from kling_mcp.simulator.generation.older_videos import PROMPT_CHARACTERS, read_elements, read_model
from kling_mcp.simulator.generation.order import Order
from kling_mcp.simulator.generation.prices import Family
from kling_mcp.simulator.pictures import MAX_PICTURE_BYTES
from kling_mcp.simulator.validation import read_callback

RATIOS = ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9")


@dataclass(frozen=True, slots=True)
class _Route:
    """What one route takes. `default` is the model that it uses without a name."""

    function: str
    models: Mapping[str, Family]
    default: str
    ratios: Sequence[str]  # the default first


_ROUTES: Mapping[str, _Route] = MappingProxyType(
    {
        "v1-omni-image": _Route(
            "Omni Image",
            {"kling-v3-omni": "picture", "kling-image-o1": "picture"},
            "kling-image-o1",
            ("auto", *RATIOS),
        ),
        "v1-generations": _Route("Image Generation", {"kling-v3": "picture"}, "kling-v3", RATIOS),
    }
)


def read_older_image(route: str, body: Mapping[str, object], find_element: FindElement) -> Order:
    """Check one body. Raises RefusedError (1201)."""
    rules = _ROUTES[route]
    root = Fields(body)
    model = read_model(root, rules.models, rules.default)
    prompt = root.text("prompt", required=True, most=PROMPT_CHARACTERS)
    inputs, given = Inputs(find_element), dict[str, int]()
    to_name: dict[str, list[int]] = {}
    if route == "v1-omni-image":
        _read_pictures(root, inputs, given, to_name)
        grouped, number = _read_number(root, is_omni=model == "kling-v3-omni")
    else:
        root.text("negative_prompt", most=PROMPT_CHARACTERS)
        if root.text("image"):
            inputs.add_picture(root.text("image"), "image", MAX_PICTURE_BYTES)
            inputs.pictures, given["image"] = 1, 1
        grouped, number = False, root.whole("n", 1, 9, 1)
    read_elements(root, inputs, given, to_name)
    check_counts("picture", inputs)
    sizes = ("1k", "2k", "4k") if model == "kling-v3-omni" else ("1k", "2k")
    return Order(
        product="image",
        function=rules.function,
        model=model,
        family="picture",
        resolution=root.choice("resolution", sizes, "1k"),
        prompt=prompt,
        aspect_ratio=root.choice("aspect_ratio", rules.ratios, rules.ratios[0]),
        pictures=number,
        grouped=grouped,
        has_references=inputs.has_references,
        watermark=root.inner("watermark_info").flag("enabled", default=False),
        callback_url=read_callback(root.text("callback_url")),
        external_task_id=root.text("external_task_id"),
        picture_sums=tuple(inputs.picture_sums),
        ignored=(*root.unread(), *unmatched_older(prompt, given, to_name)),
    )


def _read_pictures(root: Fields, inputs: Inputs, given: dict[str, int], to_name: dict[str, list[int]]) -> None:
    rows = root.rows("image_list")
    for row in rows:
        inputs.add_picture(row.text("image", required=True), f"{row.where}image", MAX_PICTURE_BYTES)
    inputs.pictures = given["image"] = len(rows)
    to_name["image"] = list(range(1, len(rows) + 1))


def _read_number(root: Fields, *, is_omni: bool) -> tuple[bool, int]:
    """Whether it is a series, and of how many."""
    if root.choice("result_type", ("single", "series"), "single") == "single":
        return False, root.whole("n", 1, 9, 1)
    if not is_omni:
        raise refuse_value("result_type value 'series' is invalid")
    if root.value("series_amount") == "auto":
        return True, 4
    return True, root.whole("series_amount", 2, 9, 4)
