"""Every cell of the limits matrix, the fragments to paste, and the handles that a prompt may hold."""

from __future__ import annotations

import itertools
import json
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kling_mcp.errors import InputError
from kling_mcp.generation.element_use import (
    describe_remaining_inputs,
    find_problems,
    make_handles,
    prepare_use,
    refuse_too_many,
)
from kling_mcp.generation.targets import NEWEST_MODEL, TARGETS, TargetName
from kling_mcp.library.records import LibraryElement

if TYPE_CHECKING:
    from collections.abc import Sequence

GOLDEN = Path(__file__).parent.parent / "golden"

OLDER = [name for name, target in TARGETS.items() if target.standard == "older"]
NEWER = [name for name, target in TARGETS.items() if target.standard == "3.0"]
IMAGES_ONLY = [
    "omni-video/kling-video-o1",
    "omni-video/kling-o1",
    "omni-image/kling-v3-omni",
    "omni-image/kling-image-o1",
    "images/generations/kling-v3",
]

FRAMES = "with a first frame, or first and last frame"
TWO_FRAMES = "with first and last frame"
NO_CLIP = "without a reference video"
NO_CLIP_O1 = "without a reference video (count a first frame as a picture)"
CLIP = "with a reference video"
PICTURES_OPEN = "possible, with a number of pictures that Kling does not state"
ALL_OPEN = "Kling states no limit for them, nor which kinds of element this target takes"

Cells = dict[tuple[str, str], list[tuple[int, int, str]]]

# (other inputs, kinds of elements): [(image elements, video elements, what the answer says), ...], on both sides of
# every edge. Written from docs/kling-api.md (facts: element-targets, omni-counts), not from the code.
OMNI: Cells = {
    (FRAMES, "image"): [(1, 0, "possible"), (3, 0, "possible"), (4, 0, "not possible")],
    (FRAMES, "video"): [(0, 3, "possible"), (0, 4, "not possible")],
    (FRAMES, "both"): [(2, 1, "possible"), (1, 2, "possible"), (2, 2, "not possible"), (1, 3, "not possible")],
    (NO_CLIP, "image"): [
        (1, 0, "up to 6 pictures"),
        (3, 0, "up to 4 pictures"),
        (6, 0, "up to 1 picture"),
        (7, 0, "no pictures"),
        (8, 0, "not possible"),
    ],
    (NO_CLIP, "video"): [(0, 1, PICTURES_OPEN), (0, 3, PICTURES_OPEN), (0, 4, "not possible")],
    (NO_CLIP, "both"): [
        (1, 1, "up to 3 pictures"),
        (1, 3, "up to 3 pictures"),
        (4, 3, "no pictures"),
        (5, 1, "not possible"),
        (1, 4, "not possible"),
    ],
    (CLIP, "image"): [(1, 0, "up to 3 pictures"), (4, 0, "no pictures"), (5, 0, "not possible")],
    (CLIP, "video"): [(0, 1, "no pictures"), (0, 2, "not possible")],
    (CLIP, "both"): [(1, 1, "not possible")],
}
O1: Cells = {
    (TWO_FRAMES, "image"): [(1, 0, "not possible")],
    (NO_CLIP_O1, "image"): [(1, 0, "up to 6 pictures"), (7, 0, "no pictures"), (8, 0, "not possible")],
    (CLIP, "image"): [(1, 0, "up to 3 pictures"), (4, 0, "no pictures"), (5, 0, "not possible")],
}
FROM_FRAMES: Cells = {
    (FRAMES, "image"): [(3, 0, "possible"), (4, 0, "not possible")],
    (FRAMES, "video"): [(0, 3, "possible"), (0, 4, "not possible")],
    (FRAMES, "both"): [(1, 2, "possible"), (2, 1, "possible"), (2, 2, "not possible")],
}
IMAGE_ROUTE: Cells = {
    ("", "image"): [(1, 0, "up to 9 pictures"), (10, 0, "no pictures"), (11, 0, "not possible")],
}
MOTION: Cells = {
    ("", "image"): [(1, 0, ALL_OPEN), (2, 0, "not possible")],
    ("", "video"): [(0, 1, ALL_OPEN), (0, 2, "not possible")],
    ("", "both"): [(1, 1, "not possible")],
}
MATRIX: dict[TargetName, Cells] = {
    "omni-video/kling-v3-omni": OMNI,
    "omni-video/kling-video-o1": O1,
    "image2video/kling-v3": FROM_FRAMES,
    "omni-image/kling-v3-omni": IMAGE_ROUTE,
    "omni-image/kling-image-o1": IMAGE_ROUTE,
    "images/generations/kling-v3": IMAGE_ROUTE,
    "motion-control/kling-v3": MOTION,
    "image-to-video/kling-3.0": FROM_FRAMES,
    "omni-video/kling-3.0-omni": OMNI,
    "omni-video/kling-o1": O1,
    "motion-control/kling-3.0": MOTION,
}
CELLS = [
    (name, beside, images, videos, said)
    for name, cells in MATRIX.items()
    for (beside, _), edges in cells.items()
    for images, videos, said in edges
]


def element(place: int = 1, kind: str = "image", **known: str) -> LibraryElement:
    return LibraryElement(
        source="custom",
        element_id=known.get("element_id", str(310094133206500 + place)),
        element_name=known.get("element_name", f"{kind} {place}"),
        reference_type=f"{kind}_refer" if kind else "",
        voice_id=known.get("voice_id", ""),
        asked_voice_id=known.get("asked_voice_id", ""),
    )


def elements(images: int, videos: int = 0, unknown: int = 0) -> list[LibraryElement]:
    kinds = ["image"] * images + ["video"] * videos + [""] * unknown
    return [element(place, kind) for place, kind in enumerate(kinds)]


def notes_of(name: str) -> str:
    return "\n".join(prepare_use(TARGETS[name], elements(1), has_api_key=True).notes)


def warnings_of(name: str, chosen: Sequence[LibraryElement], *, has_api_key: bool = True) -> str:
    return "\n".join(prepare_use(TARGETS[name], chosen, has_api_key=has_api_key).warnings)


def rules_of(name: str, chosen: Sequence[LibraryElement | None]) -> list[str]:
    return [f"{problem.argument}: {problem.rule}; {problem.actual}" for problem in find_problems(TARGETS[name], chosen)]


# --- the matrix


def test_every_target_of_the_contract_is_in_the_matrix() -> None:
    assert set(TARGETS) == set(get_args(TargetName)) == set(MATRIX)


@pytest.mark.parametrize("name", MATRIX)
def test_the_matrix_has_no_cell_that_this_table_leaves_out(name: TargetName) -> None:
    assert {(limit.beside, limit.kinds) for limit in TARGETS[name].limits} == set(MATRIX[name])
    assert all(limit.fact for limit in TARGETS[name].limits)


def test_every_cell_says_what_else_fits() -> None:
    wrong = []
    for name, beside, images, videos, said in CELLS:
        told = describe_remaining_inputs(TARGETS[name], elements(images, videos))
        clauses = told.partition(f" in {name}: ")[2].removesuffix(".").split("; ")
        if (f"{beside}: {said}" if beside else said) not in clauses:
            wrong.append((name, beside, images, videos, said, told))
    assert wrong == []


def test_combinations_are_refused_only_if_no_case_allows_them() -> None:
    wrong = []
    for name, images, videos in itertools.product(MATRIX, range(12), range(5)):
        cells = [cell for (_, kinds), cell in MATRIX[name].items() if kinds == _kinds(images, videos)]
        is_possible = images + videos > 0 and any(_allows(cell, images, videos) for cell in cells)
        is_accepted = not find_problems(TARGETS[name], elements(images, videos))
        if is_accepted != is_possible:
            wrong.append((name, images, videos, "accepted" if is_accepted else "refused"))
    assert wrong == []


def _kinds(images: int, videos: int) -> str:
    return "both" if images and videos else "video" if videos else "image"


def _allows(edges: list[tuple[int, int, str]], images: int, videos: int) -> bool:
    """Whether a combination is no larger than one that the table calls possible."""
    return any(images <= more and videos <= clips and said != "not possible" for more, clips, said in edges)


def test_the_answer_for_three_image_elements_names_every_case() -> None:
    assert describe_remaining_inputs(TARGETS["omni-video/kling-3.0-omni"], elements(3)) == (
        "Other inputs allowed with 3 image elements in omni-video/kling-3.0-omni: "
        "with a first frame, or first and last frame: possible; without a reference video: up to 4 pictures; "
        "with a reference video: up to 1 picture."
    )


# --- refusals


@pytest.mark.parametrize("name", IMAGES_ONLY)
def test_an_image_only_target_refuses_each_video_element_by_name_and_says_where_it_works(name: str) -> None:
    problems = find_problems(TARGETS[name], elements(1, 2))
    assert [problem.argument for problem in problems] == ["elements[1]", "elements[2]"]
    for problem in problems:
        assert problem.rule == f"must be an image element for {name}"
        assert "made from a video" in problem.actual
        assert "omni-video/kling-3.0-omni" in problem.fix
        assert not any(other in problem.fix for other in [*IMAGES_ONLY, "motion-control/kling-3.0"])


def test_excess_video_elements_are_reported_with_the_limit_of_the_target() -> None:
    assert rules_of("omni-video/kling-v3-omni", elements(0, 4)) == [
        "elements: must hold at most 3 video elements in one request to omni-video/kling-v3-omni; 4 video elements"
    ]
    (told,) = rules_of("omni-video/kling-v3-omni", elements(5, 1))
    assert "must hold at most 4 image elements and 3 video elements in one request" in told
    assert told.endswith("; 5 image elements and 1 video element")


@pytest.mark.parametrize("name", MATRIX)
def test_a_list_longer_than_any_case_is_refused_before_a_look_up(name: TargetName) -> None:
    possible = (edge for edges in MATRIX[name].values() for edge in edges if edge[2] != "not possible")
    most = max(images + videos for images, videos, _ in possible)
    refuse_too_many(TARGETS[name], most)
    with pytest.raises(
        InputError, match=f"must hold at most {most} elements? in one request to {name}; got {most + 1}"
    ):
        refuse_too_many(TARGETS[name], most + 1)


def test_the_same_element_twice_is_refused() -> None:
    mia = element(element_name="Mia")
    assert rules_of("omni-video/kling-v3-omni", [mia, element(2), mia]) == [
        'elements[2]: must not name an element again; "Mia", which is elements[0] already'
    ]


def test_problems_beside_a_missing_element_are_reported_as_well() -> None:
    told = rules_of("omni-image/kling-v3-omni", [None, element(1, "video"), None])
    assert told == ['elements[1]: must be an image element for omni-image/kling-v3-omni; "video 1", made from a video']


@pytest.mark.parametrize("name", OLDER)
@pytest.mark.parametrize("broken", ["", "0310094133206523", "12e3", "３１", "99999999999999999999", "u-1"])
def test_the_older_standard_refuses_an_id_that_cannot_be_a_json_number(name: str, broken: str) -> None:
    assert len(rules_of(name, [element(element_id=broken)])) == 1


@pytest.mark.parametrize("name", NEWER)
def test_the_newer_standard_takes_any_plain_text_as_id_but_nothing_that_could_hide_text(name: str) -> None:
    assert rules_of(name, [element(element_id="0310-a_B")]) == []
    assert len(rules_of(name, [element(element_id='1", "x": "\u202e')])) == 1


def test_elements_with_a_problem_are_not_prepared() -> None:
    with pytest.raises(InputError, match="an empty list"):
        prepare_use(TARGETS["omni-video/kling-o1"], [], has_api_key=True)
    with pytest.raises(InputError, match="must be an image element"):
        prepare_use(TARGETS["omni-video/kling-o1"], elements(0, 1), has_api_key=True)


# --- fragments

CAST = [
    element(element_id="310094133206523", element_name="Mia"),
    element(element_id="829836802793406551", element_name="red fox"),
    element(element_id="160", element_name="小明"),
]


@pytest.mark.parametrize("name", MATRIX)
def test_the_fragment_is_exactly_the_golden_one(name: TargetName) -> None:
    chosen = CAST[1:2] if name.startswith("motion-control/") else CAST
    use = prepare_use(TARGETS[name], chosen, has_api_key=True)
    assert use.request_fragment == (GOLDEN / f"{name}.json").read_text(encoding="utf-8").rstrip("\n")
    assert use.element_ids == tuple(each.element_id for each in chosen)


def test_targets_have_one_golden_file_each() -> None:
    assert {path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("*.json")} == {f"{n}.json" for n in MATRIX}


@pytest.mark.parametrize("name", NEWER)
def test_each_handle_of_the_newer_standard_is_the_id_of_its_entry(name: str) -> None:
    chosen = CAST[: TARGETS[name].most]
    use = prepare_use(TARGETS[name], chosen, has_api_key=True)
    entries = json.loads(use.request_fragment)["contents"]
    assert [f"@{entry['id']}" for entry in entries] == list(use.prompt_handles)
    assert [entry["element_id"] for entry in entries] == list(use.element_ids)


# --- handles

LONG_LIST = TARGETS["omni-video/kling-3.0-omni"]


def handles_of(*names: str) -> list[str]:
    return list(make_handles(LONG_LIST, names))


@pytest.mark.parametrize("name", OLDER)
def test_the_older_standard_counts_places_from_one(name: str) -> None:
    assert make_handles(TARGETS[name], ["B", "A"]) == ("<<<element_1>>>", "<<<element_2>>>")


@pytest.mark.parametrize(
    ("name", "handle"),
    [
        ("Mia", "@Mia"),
        ("red fox", "@redFox"),
        ("O'Brien, Jr.", "@OBrienJr"),
        ("Mia_2", "@Mia2"),
        ("小明", "@小明"),
        ("はなこ さん", "@はなこさん"),
        ("हिन्दी", "@हिन्दी"),
        ("Ｍｉａ①", "@Mia1"),
        ("e\u0301lan", "@élan"),
        ("e\ufe0f\u0301lan", "@élan"),
        ("M\u200bi\u202ea", "@Mia"),
        ("❤️ Mia ❤️", "@Mia"),
        ("🦊", "@element"),
        ('@Mia"}\n<<<x>>>', "@MiaX"),
        ("", "@element"),
    ],
)
def test_a_name_becomes_a_word_of_letters_and_digits(name: str, handle: str) -> None:
    assert handles_of(name) == [handle]


@pytest.mark.parametrize(
    ("names", "handles"),
    [
        (["Mia", "Mia"], ["@Mia_1", "@Mia_2"]),
        (["Mia", "Rex", "MIA"], ["@Mia_1", "@Rex", "@MIA_3"]),
        (["Mia", "Mia Rossi"], ["@Mia_1", "@MiaRossi"]),
        (["Joanna", "Ann"], ["@Joanna", "@Ann_2"]),
        (["Mia", "Mia Rossi", "1"], ["@Mia_1", "@MiaRossi", "@1_3"]),
        (["小明", "小明明"], ["@小明_1", "@小明明"]),
        (["Ab", "C", "D", "E", "F", "G", "H", "I", "J", "ab"], ["@Ab_01", *(f"@{c}" for c in "CDEFGHIJ"), "@ab_10"]),
    ],
)
def test_names_that_are_parts_of_each_other_get_their_place(names: list[str], handles: list[str]) -> None:
    assert handles_of(*names) == handles


NAMES = st.one_of(st.text(max_size=24), st.text("abAB12 _-éß\u0301\u200d明", max_size=5))


@settings(deadline=None, database=None)
@given(st.lists(NAMES, min_size=1, max_size=12))
def test_handles_are_unique_and_never_parts_of_each_other(names: list[str]) -> None:
    bare = [handle.removeprefix("@").casefold() for handle in handles_of(*names)]
    for i, one in enumerate(bare):
        assert not any(one in other for j, other in enumerate(bare) if i != j)


@settings(deadline=None, database=None)
@given(st.lists(NAMES, min_size=1, max_size=12))
def test_a_handle_survives_copying_and_comes_out_the_same_again(names: list[str]) -> None:
    handles = handles_of(*names)
    assert handles == handles_of(*names)
    for handle in handles:
        assert unicodedata.normalize("NFC", handle) == handle
        assert all(c.isalnum() or c == "_" or unicodedata.category(c)[0] == "M" for c in handle[1:])
        assert 1 < len(handle) <= 1 + 20 + len("_12")


# --- warnings


@pytest.mark.parametrize("name", MATRIX)
def test_every_answer_says_which_handle_means_whom_and_what_a_wrong_one_costs(name: str) -> None:
    use = prepare_use(TARGETS[name], [element(element_name="Mia")], has_api_key=True)
    assert "exactly like this" in use.notes[0]
    assert f': {use.prompt_handles[0]} for "Mia".' in use.notes[0]
    assert ("keep its order" if name in OLDER else "with spaces around it") in use.notes[0]
    assert "ignores a wrong handle without an error and bills" in use.notes[0]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("omni-video/kling-v3-omni", '"sound": "on" (the default is "off"); with a reference video it stays silent'),
        ("omni-video/kling-video-o1", "may never be heard"),
        ("image2video/kling-v3", '"sound": "on"'),
        ("image-to-video/kling-3.0", '"audio": "native"'),
        ("omni-video/kling-3.0-omni", '"audio": "native" in settings (the default is "off"); with a reference video'),
        ("omni-video/kling-o1", "is never heard"),
        ("motion-control/kling-3.0", "only with native audio"),
    ],
)
def test_a_bound_voice_is_heard_only_where_the_request_asks_for_sound(name: str, said: str) -> None:
    speaking = element(element_name="Mia", voice_id="829836802793406551")
    told = warnings_of(name, [speaking])
    assert 'The voice of "Mia" ' in told
    assert said in told
    assert "voice of" not in warnings_of(name, [element(element_name="Mia")])


@pytest.mark.parametrize("name", ["omni-image/kling-v3-omni", "omni-image/kling-image-o1"])
def test_a_picture_has_nothing_to_hear(name: str) -> None:
    assert "voice" not in warnings_of(name, [element(voice_id="1"), element(2, asked_voice_id="2")])


def test_voice_left_out_by_kling_is_reported_before_a_silent_clip_is_paid() -> None:
    told = warnings_of("image2video/kling-v3", [element(element_name="Mia", asked_voice_id="829836802793406551")])
    assert '"Mia": a voice was requested at creation, but Kling shows none.' in told


def test_image2video_takes_elements_or_a_voice_list_but_not_both() -> None:
    assert '"voice_list"' in notes_of("image2video/kling-v3")
    assert '"voice_list"' not in notes_of("image-to-video/kling-3.0")


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("omni-video/kling-v3-omni", "kling-video-o1"),
        ("omni-image/kling-v3-omni", "kling-image-o1"),
        ("motion-control/kling-v3", "kling-v2-6"),
    ],
)
def test_a_model_that_is_not_the_default_of_its_route_has_to_be_named(name: str, default: str) -> None:
    model = TARGETS[name].model_name
    assert f'Set "model_name": "{model}"; without it Kling uses {default}.' in notes_of(name)


@pytest.mark.parametrize("name", MATRIX)
def test_only_the_route_from_pictures_needs_a_first_frame(name: str) -> None:
    """fact: gen30-first-frame-required"""
    assert ("A first frame is required" in notes_of(name)) == (name == "image-to-video/kling-3.0")


@pytest.mark.parametrize("name", MATRIX)
def test_ordinary_elements_are_used_without_a_warning(name: str) -> None:
    assert warnings_of(name, elements(1)) == ""


def test_every_route_has_a_newest_model() -> None:
    assert {name.rpartition("/")[0] for name in TARGETS} == set(NEWEST_MODEL)
    for route, newest in NEWEST_MODEL.items():
        assert newest.startswith(f"{route}/")
        is_renewed = any(TARGETS[name].standard == "3.0" for name in TARGETS if name.startswith(f"{route}/"))
        assert (TARGETS[newest].standard == "3.0") == is_renewed


@pytest.mark.parametrize("name", MATRIX)
def test_key_pair_gets_the_hint_that_the_newer_standard_wants_an_api_key(name: str) -> None:
    told = warnings_of(name, elements(1), has_api_key=False)
    assert ("needs an API key" in told) == (name in NEWER)
    assert "needs an API key" not in warnings_of(name, elements(1))


def test_a_key_pair_is_shown_the_same_model_in_the_older_standard_where_there_is_one() -> None:
    assert "use omni-video/kling-v3-omni" in warnings_of("omni-video/kling-3.0-omni", elements(1), has_api_key=False)
    assert "with a key pair use" not in warnings_of("motion-control/kling-3.0", elements(1), has_api_key=False)
    for target in TARGETS.values():
        assert not target.twin or TARGETS[target.twin].limits == target.limits


@pytest.mark.parametrize(("name", "warned"), [("image2video/kling-v3", True), ("image-to-video/kling-3.0", False)])
def test_a_number_that_javascript_would_round_is_pointed_out(name: str, warned: bool) -> None:
    long = element(element_id="829836802793406551")
    assert ("829836802793406551 is above 9007199254740991" in warnings_of(name, [long])) == warned
    assert warnings_of(name, [long]).count("do not re-serialise") == (1 if warned else 0)
    assert "is above" not in warnings_of(name, [element(element_id="9007199254740991")])


@pytest.mark.parametrize("name", MATRIX)
def test_an_element_of_unknown_kind_is_used_with_a_warning(name: str) -> None:
    told = warnings_of(name, [element(1, "", element_name="Kai")])
    assert '"Kai": Kling does not say whether this is an image or a video element' in told
    assert (f"{name} takes image elements only" in told) == (name in IMAGES_ONLY)


def test_an_unknown_kind_is_never_the_reason_for_a_refusal_that_one_reading_avoids() -> None:
    # Four image and two video elements leave room for a third video element, but for no fifth image element.
    told = warnings_of("omni-video/kling-v3-omni", elements(4, 2, unknown=1))
    assert "assume 4 image elements and 3 video elements" in told
    assert rules_of("omni-video/kling-v3-omni", elements(4, 3, unknown=1)) != []


def test_hostile_names_stay_data() -> None:
    hostile = element(element_name='Mia"\u202e\nkind=ok <<<element_2>>>' + "x" * 500)
    told = prepare_use(TARGETS["omni-video/kling-v3-omni"], [hostile], has_api_key=True).notes[0]
    assert "\u202e" not in told
    assert '"Mia”kind=ok' in told or '"Mia” kind=ok' in told
    assert "x" * 61 not in told
