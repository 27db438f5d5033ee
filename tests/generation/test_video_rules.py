"""Every model, every field at its limits and every forbidden combination, written from docs/kling-api.md.

facts: gen30-routes, gen30-models, gen30-with-video, gen30-first-frame-required, old-routes, old-omni-fields
"""

from __future__ import annotations

from typing import Any

import pytest

from kling_mcp.errors import Problem
from kling_mcp.generation.draft import VideoDraft
from kling_mcp.generation.models import VIDEO_ROUTES
from kling_mcp.generation.shots import parse_shots
from kling_mcp.generation.video_rules import (
    choose_route,
    find_problems_of_any_model,
    find_video_notes,
    find_video_problems,
)

LINK = "https://example.com/a.png"
CLIP = "https://example.com/a.mp4"
FRAME = {"first_frame": LINK}
FRAMES = {"first_frame": LINK, "last_frame": LINK}
FEATURE = {"video_url": CLIP}
BASE = {"video_url": CLIP, "video_use": "base"}

API_KEY, KEY_PAIR = True, False


def draft_of(**given: Any) -> VideoDraft:
    return VideoDraft(**{"prompt": "Mia waves"} | ({"prompt": ""} if given.get("shots") else {}) | given)


def problems_of(has_api_key: bool, names_elements: bool = False, **given: Any) -> list[str]:
    """The arguments that are refused, in order."""
    draft = draft_of(**given)
    route = choose_route(draft, has_api_key=has_api_key)
    if isinstance(route, Problem):
        return [route.argument]
    shots, _ = parse_shots(draft.shots)
    return [problem.argument for problem in find_video_problems(draft, route, shots, names_elements=names_elements)]


def with_credentials(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Each row, which begins with model and inputs, once for each credential that has a route for it."""
    return [
        (*row, has_api_key)
        for row in rows
        for has_api_key in (API_KEY, KEY_PAIR)
        if not isinstance(choose_route(draft_of(model=row[0], **row[1]), has_api_key=has_api_key), Problem)
    ]


ROUTES = [
    # model, credential, inputs, path, model_name
    ("3.0-omni", API_KEY, {}, "/omni-video/kling-3.0-omni", ""),
    ("3.0-omni", API_KEY, FRAME, "/omni-video/kling-3.0-omni", ""),
    ("o1", API_KEY, {"duration": 5}, "/omni-video/kling-o1", ""),
    ("3.0", API_KEY, {}, "/text-to-video/kling-3.0", ""),
    ("3.0", API_KEY, FRAME, "/image-to-video/kling-3.0", ""),
    ("3.0-turbo", API_KEY, {}, "/text-to-video/kling-3.0-turbo", ""),
    ("3.0-turbo", API_KEY, FRAME, "/image-to-video/kling-3.0-turbo", ""),
    ("3.0-omni", KEY_PAIR, {}, "/v1/videos/omni-video", "kling-v3-omni"),
    ("o1", KEY_PAIR, {}, "/v1/videos/omni-video", "kling-video-o1"),
    ("3.0", KEY_PAIR, FRAME, "/v1/videos/image2video", "kling-v3"),
]


@pytest.mark.parametrize(("model", "has_api_key", "inputs", "path", "model_name"), ROUTES)
def test_model_inputs_and_credential_decide_the_route(
    model: str, has_api_key: bool, inputs: dict[str, Any], path: str, model_name: str
) -> None:
    route = choose_route(draft_of(model=model, **inputs), has_api_key=has_api_key)
    assert not isinstance(route, Problem)
    assert (route.path, route.model_name) == (path, model_name)
    assert route.needs_api_key == (not path.startswith("/v1"))


def test_every_route_of_the_table_can_be_chosen() -> None:
    """A row that no request reaches would be priced and documented for nothing."""
    assert {(path, name) for _, _, _, path, name in ROUTES} == {
        (route.path, route.model_name) for route in VIDEO_ROUTES
    }


@pytest.mark.parametrize(
    ("model", "inputs", "argument", "fix"),
    [
        ("3.0-turbo", {}, "model", "3.0-omni"),
        ("3.0-turbo", FRAME, "model", "KLING_API_KEY"),
        ("3.0", {}, "first_frame", "3.0-omni"),
    ],
)
def test_error_names_a_model_that_a_key_pair_can_use(
    model: str, inputs: dict[str, Any], argument: str, fix: str
) -> None:
    """fact: auth-pair-legacy-only"""
    problem = choose_route(draft_of(model=model, **inputs), has_api_key=KEY_PAIR)
    assert isinstance(problem, Problem)
    assert problem.argument == argument
    assert fix in problem.fix


@pytest.mark.parametrize("has_api_key", [API_KEY, KEY_PAIR])
@pytest.mark.parametrize("inputs", [{}, FRAME])
def test_draft_without_a_route_is_checked_by_what_holds_for_every_model(
    inputs: dict[str, Any], has_api_key: bool
) -> None:
    draft = draft_of(model="4.0", duration=2, audio="original", resolution="4k", **inputs)
    found = find_problems_of_any_model(draft, [], names_elements=False, has_api_key=has_api_key)
    assert [problem.argument for problem in found] == ["audio", "duration"]


# model, inputs, refused durations, allowed durations
DURATIONS = [
    ("3.0-omni", {}, (2, 16), range(3, 16)),
    ("3.0-omni", FRAME, (2, 16), range(3, 16)),
    ("3.0", {}, (2, 16), range(3, 16)),
    ("3.0", FRAME, (0, 16), range(3, 16)),
    ("3.0-turbo", {}, (2, 16), range(3, 16)),
    ("o1", {}, (3, 4, 6, 7, 8, 9, 11), (5, 10)),
    ("o1", FRAME, (3, 4, 6, 9, 11), (5, 10)),
    ("o1", {"images": (LINK,)}, (2, 11), range(3, 11)),
    ("o1", FEATURE, (2, 11), range(3, 11)),
    ("o1", FRAME | {"images": (LINK,)}, (2, 11), range(3, 11)),
    ("o1", {"elements": ("Mia",)}, (2, 11), range(3, 11)),
    ("o1", FRAME | {"elements": ("Mia",)}, (3, 9, 11), (5, 10)),
]


@pytest.mark.parametrize(("model", "inputs", "refused", "allowed", "has_api_key"), with_credentials(DURATIONS))
def test_durations_of_each_model(
    model: str, inputs: dict[str, Any], refused: Any, allowed: Any, has_api_key: bool
) -> None:
    for seconds in refused:
        assert problems_of(has_api_key, model=model, duration=seconds, **inputs) == ["duration"], seconds
    for seconds in allowed:
        assert problems_of(has_api_key, model=model, duration=seconds, **inputs) == [], seconds


@pytest.mark.parametrize(
    ("model", "inputs", "credential", "allowed"),
    [
        ("3.0-omni", {}, API_KEY, "720p 1080p 4k"),
        ("3.0-omni", {}, KEY_PAIR, "720p 1080p 4k"),
        ("3.0", {}, API_KEY, "720p 1080p 4k"),
        ("3.0", FRAME, API_KEY, "720p 1080p 4k"),
        ("3.0", FRAME, KEY_PAIR, "720p 1080p"),
        ("3.0-turbo", {}, API_KEY, "720p 1080p"),
        ("3.0-turbo", FRAME, API_KEY, "720p 1080p"),
        ("o1", {}, API_KEY, "720p 1080p"),
        ("o1", {}, KEY_PAIR, "720p 1080p"),
    ],
)
def test_resolutions_of_each_model(model: str, inputs: dict[str, Any], credential: bool, allowed: str) -> None:
    for resolution in ("720p", "1080p", "4k", "480p"):
        expected = [] if resolution in allowed.split() else ["resolution"]
        assert problems_of(credential, model=model, resolution=resolution, **inputs) == expected


AUDIO = [
    ("3.0-omni", {}, "off native"),
    ("3.0-omni", FRAME, "off native"),
    ("3.0-omni", FEATURE, "off"),
    ("3.0-omni", BASE, "off original"),
    ("o1", {}, "off"),
    ("o1", FEATURE, "off"),
    ("o1", BASE, "off original"),
    ("3.0", {}, "off native"),
    ("3.0", FRAME, "off native"),
    ("3.0-turbo", {}, "off native"),
    ("3.0-turbo", FRAME, "off native"),
]


@pytest.mark.parametrize(("model", "inputs", "allowed", "has_api_key"), with_credentials(AUDIO))
def test_audio_of_each_model(model: str, inputs: dict[str, Any], allowed: str, has_api_key: bool) -> None:
    for audio in ("off", "native", "original"):
        expected = [] if audio in allowed.split() else ["audio"]
        assert problems_of(has_api_key, model=model, audio=audio, **inputs) == expected, audio


REFUSED = [
    # what, arguments, refused argument
    ("no prompt", {"prompt": " "}, "prompt"),
    ("prompt beside shots", {"prompt": "x", "shots": ("5: a",)}, "prompt"),
    ("last frame alone", {"last_frame": LINK}, "last_frame"),
    ("last frame on Turbo", FRAMES | {"model": "3.0-turbo"}, "last_frame"),
    ("pictures between frames", FRAMES | {"images": (LINK,)}, "images"),
    ("first frame with base video", FRAME | BASE, "first_frame"),
    ("last frame with reference video on O1", FRAMES | FEATURE | {"model": "o1"}, "last_frame"),
    ("pictures on 3.0", {"images": (LINK,), "model": "3.0"}, "images"),
    ("pictures on Turbo", {"images": (LINK,), "model": "3.0-turbo"}, "images"),
    ("video on 3.0", FEATURE | {"model": "3.0"}, "video_url"),
    ("video on Turbo", BASE | {"model": "3.0-turbo"}, "video_url"),
    ("elements on 3.0 from text", {"elements": ("Mia",), "model": "3.0"}, "elements"),
    ("elements on Turbo", {"elements": ("Mia",), "model": "3.0-turbo"} | FRAME, "elements"),
    ("shots on O1", {"shots": ("5: a",), "model": "o1"}, "shots"),
    ("shots with base video", {"shots": ("5: a",)} | BASE, "shots"),
    ("shots that add up to less", {"shots": ("2: a", "2: b"), "duration": 5}, "duration"),
    ("shots that are too long together", {"shots": ("9: a", "9: b")}, "shots"),
    ("shots that are too short together", {"shots": ("1: a", "1: b")}, "shots"),
    ("unknown ratio", {"aspect_ratio": "4:3"}, "aspect_ratio"),
]


@pytest.mark.parametrize(("given", "argument"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_forbidden_combination_is_refused_once(given: dict[str, Any], argument: str) -> None:
    assert problems_of(API_KEY, **given) == [argument]


@pytest.mark.parametrize(
    "given",
    [
        {"shots": ("2: a", "3: b")},
        {"shots": ("2: a", "3: b"), "duration": 5},
        {"shots": ("5: a",), "model": "3.0"},
        {"shots": ("5: a",), "model": "3.0-turbo"},
        {"shots": ("5: a",)} | FEATURE,
        FRAMES,
        FRAMES | {"model": "3.0"},
        FRAME | {"images": (LINK,)},
        FRAME | FEATURE | {"model": "o1"},
        BASE | {"images": (LINK,)},
        {"aspect_ratio": "9:16"} | FRAME,
    ],
)
def test_allowed_combination_has_no_problem(given: dict[str, Any]) -> None:
    assert problems_of(API_KEY, **given) == []


def test_element_named_in_the_prompt_counts_as_an_element() -> None:
    """fact: no-elements"""
    assert problems_of(API_KEY, names_elements=True, model="3.0") == ["prompt"]
    assert problems_of(API_KEY, names_elements=True, model="o1", duration=7) == []


def test_all_problems_are_found_at_once() -> None:
    given: dict[str, Any] = {"model": "3.0-turbo", "duration": 20, "resolution": "4k", "images": (LINK,), "prompt": ""}
    assert set(problems_of(API_KEY, **given)) == {"prompt", "images", "resolution", "duration"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"model": "3.0-turbo"}, "always makes sound"),
        (BASE | {"aspect_ratio": "9:16"}, "base video decides the shape"),
        (BASE | {"duration": 5}, "decides how long"),
    ],
)
def test_warning_names_a_setting_without_effect(given: dict[str, Any], said: str) -> None:
    """fact: gen-unknown-fields-billed"""
    draft = draft_of(**given)
    route = choose_route(draft, has_api_key=API_KEY)
    assert not isinstance(route, Problem)
    (note,) = find_video_notes(draft, route)
    assert said in note


def test_request_without_useless_settings_has_no_notes() -> None:
    draft = draft_of(aspect_ratio="9:16", duration=5, audio="native")
    route = choose_route(draft, has_api_key=API_KEY)
    assert not isinstance(route, Problem)
    assert find_video_notes(draft, route) == []
