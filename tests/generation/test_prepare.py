"""From names, pictures and settings to the request, its price and its notes; or every problem at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from helpers import API_KEY, Pictures, requests_to
from PIL import Image

from kling_mcp.errors import KlingError
from kling_mcp.generation.draft import ImageDraft, VideoDraft
from kling_mcp.generation.prepare import PreparedImages, PreparedVideo, Surroundings, prepare_images, prepare_video
from kling_mcp.media.policy import MediaPolicy

if TYPE_CHECKING:
    from kling_mcp.account import Account
    from kling_mcp.simulator import Faults, World

pytestmark = pytest.mark.anyio

LINK = "https://example.com/kitchen.png"
CLIP = "https://example.com/dance.mp4"


def add(world: World, name: str, **known: Any) -> str:
    return world.add_element(world.account_of(API_KEY), name, **known).element_id


@pytest.fixture
def policy(pictures: Pictures) -> MediaPolicy:
    return MediaPolicy(allowed_dirs=(pictures.folder,))


def within(account: Account, policy: MediaPolicy | None = None, *, has_api_key: bool = True) -> Surroundings:
    return Surroundings(
        library=account.library,
        policy=policy or MediaPolicy(),
        has_api_key=has_api_key,
        explain=account.refusals.facts,
    )


async def video(account: Account, has_api_key: bool = True, **given: Any) -> PreparedVideo:
    return await prepare_video(VideoDraft(**given), within(account, has_api_key=has_api_key))


async def images(account: Account, **given: Any) -> PreparedImages:
    return await prepare_images(ImageDraft(**given), within(account))


async def refusal(account: Account, **given: Any) -> KlingError:
    with pytest.raises(KlingError) as caught:
        await video(account, **given)
    return caught.value


def body_of(prepared: PreparedVideo | PreparedImages) -> Any:
    return prepared.request.body("kmcp-1")


# --- names


async def test_names_in_the_prompt_become_elements_of_the_newer_standard(account: Account, world: World) -> None:
    """facts: handle-new, new-id-string"""
    mama, sara = add(world, "Mama"), add(world, "Sara Rose")
    prepared = await video(account, prompt="@Mama and @Sara Rose dance in the kitchen", audio="native")
    assert body_of(prepared)["contents"] == [
        {"type": "prompt", "text": "@Mama and @SaraRose dance in the kitchen"},
        {"type": "element", "element_id": mama, "id": "Mama"},
        {"type": "element", "element_id": sara, "id": "SaraRose"},
    ]
    assert [element.element_name for element in prepared.elements] == ["Mama", "Sara Rose"]
    assert prepared.notes == ()


async def test_names_become_positions_in_the_older_standard(account: Account, world: World) -> None:
    """fact: handle-legacy"""
    mama, sara = add(world, "Mama"), add(world, "Sara")
    prepared = await video(account, has_api_key=False, prompt="@Sara looks at @Mama, @Sara waves")
    body = body_of(prepared)
    assert body["prompt"] == "<<<element_1>>> looks at <<<element_2>>>, <<<element_1>>> waves"
    assert body["element_list"] == [{"element_id": int(sara)}, {"element_id": int(mama)}]


async def test_listed_elements_come_first_and_are_named_once(account: Account, world: World) -> None:
    mama, sara = add(world, "Mama"), add(world, "Sara")
    prepared = await video(account, prompt="@Sara and @Mama", elements=("Mama",))
    assert [element.element_id for element in prepared.elements] == [mama, sara]


async def test_handle_in_the_list_is_the_name_that_it_stands_for(account: Account, world: World) -> None:
    mama = add(world, "Mama")
    (element,) = (await video(account, prompt="A kitchen", elements=("@Mama",))).elements
    assert element.element_id == mama


async def test_name_with_digits_means_that_very_element(account: Account, world: World) -> None:
    add(world, "Hero 5")
    fifty = add(world, "Hero 50")
    prepared = await video(account, prompt="@Hero 50 runs")
    assert [element.element_id for element in prepared.elements] == [fifty]


async def test_names_in_shots_are_written_in_each_shot(account: Account, world: World) -> None:
    """fact: gen30-shot-text"""
    add(world, "Mia")
    prepared = await video(account, shots=("2: @Mia waves", "3: a door, then @Mia"))
    assert body_of(prepared)["contents"][0]["text"] == "shot 1, 2, @Mia waves; shot 2, 3, a door, then @Mia;"
    assert body_of(prepared)["settings"]["duration"] == 5


async def test_handle_is_unlike_a_plain_word_after_a_sign(account: Account, world: World) -> None:
    """fact: handle-new. Kling would read the handle inside the word."""
    add(world, "Mia")
    text = body_of(await video(account, prompt="@Mia opens @@Miami.example"))["contents"][0]["text"]
    handle = text.split(" ")[0]
    assert text == f"{handle} opens @Miami.example"
    assert handle.startswith("@Mia_")


async def test_handle_is_unlike_that_of_a_picture(account: Account, world: World) -> None:
    """fact: handle-new"""
    add(world, "Image")
    contents = body_of(await video(account, prompt="@Image in @image_1", images=(LINK,)))["contents"]
    ids = [content["id"] for content in contents if "id" in content]
    assert len(ids) == 2
    assert not any(one != other and one.lower() in other.lower() for one in ids for other in ids)


async def test_plain_address_in_a_prompt_stays_as_it_is(account: Account, world: World) -> None:
    add(world, "Mia")
    text = body_of(await video(account, prompt="@Mia reads jane@example.com"))["contents"][0]["text"]
    assert text == "@Mia reads jane@example.com"


@pytest.mark.parametrize(
    ("prompt", "kind", "said"),
    [
        ("@Miia waves", "not_found", '"Mia"'),
        ("@Twin waves", "ambiguous_name", "element_id="),
        ("@Gone waves", "bad_input", "was deleted"),
    ],
)
async def test_name_that_cannot_be_used_refuses_the_request(
    account: Account, world: World, prompt: str, kind: str, said: str
) -> None:
    add(world, "Mia")
    add(world, "Twin")
    add(world, "Twin")
    gone = add(world, "Gone")
    await account.client.delete_element(gone)
    error = await refusal(account, prompt=prompt)
    assert (error.kind, error.created) == (kind, "no")
    assert said in error.message
    assert "prompt: " in error.message
    assert "nothing was paid" in error.advice


async def test_preparation_asks_only_the_library(account: Account, world: World) -> None:
    add(world, "Mia")
    await video(account, prompt="@Mia waves")
    assert {record.route for record in world.requests} == {"list", "presets"}


async def test_handle_written_by_hand_is_refused(account: Account) -> None:
    """fact: handle-wrong-is-billed"""
    error = await refusal(account, prompt="<<<element_1>>> waves")
    assert "must have names, not Kling's own handles" in error.message


# --- all problems at once


async def test_problems_of_names_media_and_settings_are_listed_together(account: Account, world: World) -> None:
    error = await refusal(
        account,
        prompt="@Nobody and @image_2",
        images=("/nowhere/a.png",),
        video_url="http://example.com/a.mp4",
        duration=40,
        resolution="4k",
        audio="native",
    )
    for argument in ("prompt: ", "images[0]: ", "video_url: ", "duration: ", "audio: "):
        assert f"- {argument}" in error.message
    assert error.kind == "bad_input"


@pytest.mark.parametrize(
    ("count", "given", "is_allowed"),
    [
        (7, {}, True),
        (8, {}, False),
        (4, {"images": (LINK,) * 3}, True),
        (4, {"images": (LINK,) * 4}, False),
        (3, {"first_frame": LINK}, True),
        (4, {"first_frame": LINK}, False),
        (4, {"video_url": CLIP}, True),
        (5, {"video_url": CLIP}, False),
        (3, {"video_url": CLIP, "images": (LINK,)}, True),
        (4, {"video_url": CLIP, "images": (LINK,)}, False),
    ],
)
async def test_limits_of_elements_depend_on_the_other_inputs(
    account: Account, world: World, count: int, given: dict[str, Any], is_allowed: bool
) -> None:
    """fact: omni-counts"""
    names = tuple(f"Hero {place}" for place in range(count))
    for name in names:
        add(world, name)
    if is_allowed:
        assert len((await video(account, prompt="x", elements=names, **given)).elements) == count
    else:
        error = await refusal(account, prompt="x", elements=names, **given)
        assert "- elements: must" in error.message


async def test_error_says_that_the_prompt_names_the_unfit_element(account: Account, world: World) -> None:
    """fact: video-models"""
    add(world, "Host", reference_type="video_refer")
    error = await refusal(account, prompt="@Host speaks", model="o1")
    assert "- prompt: must be an image element" in error.message


async def test_prompt_is_measured_as_it_is_sent(account: Account, world: World) -> None:
    """fact: gen30-prompt"""
    add(world, "Mia")
    assert (await video(account, prompt="a" * 3067 + " @Mia")).request.prompt.endswith(" @Mia")
    error = await refusal(account, prompt="a" * 3068 + " @Mia")
    assert "3073 characters" in error.message
    assert "at most 3072" in error.message


# --- what a person should know


async def test_warning_names_the_element_that_the_prompt_leaves_out(account: Account, world: World) -> None:
    """fact: gen-handle-missing"""
    add(world, "Mia")
    (note,) = (await video(account, prompt="a kitchen", elements=("Mia",))).notes
    assert '"Mia" is in elements' in note


async def test_warning_names_the_picture_that_the_prompt_leaves_out(account: Account) -> None:
    """fact: gen-handle-missing"""
    (note,) = (await video(account, prompt="as in @image_2", images=(LINK, LINK))).notes
    assert "@image_1" in note
    assert "@image_2" not in note


async def test_warning_says_that_a_bound_voice_needs_native_audio(account: Account, world: World) -> None:
    """fact: voice-needs-audio"""
    voice = (await account.client.list_preset_voices())[0].voices[0]
    add(world, "Mia", voice_id=voice.voice_id)
    (note,) = (await video(account, prompt="@Mia speaks")).notes
    assert "audio=native" in note
    assert (await video(account, prompt="@Mia speaks", audio="native")).notes == ()


async def test_warning_says_that_the_price_of_a_video_element_is_unsure(account: Account, world: World) -> None:
    """fact: price-video-element"""
    add(world, "Host", reference_type="video_refer")
    estimate = (await video(account, prompt="@Host speaks")).estimate
    assert (str(estimate.low), str(estimate.high)) == ("3.0", "4.5")
    assert estimate.doubt


async def test_shape_that_the_first_frame_does_not_have_is_refused(
    account: Account, pictures: Pictures, policy: MediaPolicy
) -> None:
    """The clip would be paid in the shape of the frame."""
    draft = VideoDraft(prompt="x", first_frame=str(pictures.front), aspect_ratio="9:16")
    with pytest.raises(KlingError) as caught:
        await prepare_video(draft, within(account, policy))
    assert "got 9:16 with a first frame of 400 x 500" in caught.value.message
    assert "@image_1" in caught.value.message
    assert "nothing was paid" in caught.value.advice


async def test_shape_that_the_first_frame_has_needs_no_note(
    account: Account, pictures: Pictures, policy: MediaPolicy
) -> None:
    tall = pictures.folder / "tall.png"
    Image.new("RGB", (720, 1280), "tomato").save(tall)
    draft = VideoDraft(prompt="x", first_frame=str(tall), aspect_ratio="9:16")
    assert (await prepare_video(draft, within(account, policy))).notes == ()


async def test_note_says_that_a_frame_behind_a_link_decides_the_shape(account: Account) -> None:
    (note,) = (await video(account, prompt="x", first_frame=LINK, aspect_ratio="9:16")).notes
    assert "aspect_ratio=9:16 is not sent" in note


async def test_local_picture_is_sent_as_bytes(account: Account, pictures: Pictures, policy: MediaPolicy) -> None:
    draft = VideoDraft(prompt="x", first_frame=str(pictures.front))
    body: Any = (await prepare_video(draft, within(account, policy))).request.body("kmcp-1")
    assert body["contents"][1] == {"type": "first_frame", "url": pictures.front.read_bytes()}


async def test_warning_names_a_prompt_that_sets_out_shots(account: Account) -> None:
    (note,) = (await video(account, prompt="shot 1, 2, a door; shot 2, 3, a cat;")).notes
    assert "give them as shots" in note


# --- pictures


async def test_picture_request_counts_positions(account: Account, world: World) -> None:
    """facts: handle-legacy, old-images"""
    mia = add(world, "Mia")
    prepared = await images(account, prompt="@Mia as an astronaut in @image_1", images=(LINK,), count=2)
    assert body_of(prepared) == {
        "model_name": "kling-v3-omni",
        "prompt": "<<<element_1>>> as an astronaut in <<<image_1>>>",
        "image_list": [{"image": LINK}],
        "element_list": [{"element_id": int(mia)}],
        "resolution": "1k",
        "n": 2,
        "aspect_ratio": "auto",
        "external_task_id": "kmcp-1",
    }
    assert str(prepared.estimate.high) == "16"


@pytest.mark.parametrize(
    ("given", "argument"),
    [
        ({"prompt": " "}, "prompt"),
        ({"count": 0}, "count"),
        ({"count": 10}, "count"),
        ({"model": "o1", "resolution": "4k"}, "resolution"),
        ({"model": "3.0", "resolution": "4k"}, "resolution"),
        ({"model": "3.0", "aspect_ratio": "auto"}, "aspect_ratio"),
        ({"aspect_ratio": "5:4"}, "aspect_ratio"),
        ({"images": (LINK,) * 11}, "images"),
        ({"model": "3.0", "images": (LINK,) * 2}, "images"),
        ({"model": "3.0", "images": (LINK,), "prompt": "as in @image_1"}, "prompt"),
        ({"prompt": "as in @video_1"}, "prompt"),
    ],
)
async def test_pictures_follow_the_rules_of_their_model(account: Account, given: dict[str, Any], argument: str) -> None:
    """fact: old-images"""
    with pytest.raises(KlingError) as caught:
        await images(account, **{"prompt": "x"} | given)
    assert caught.value.message.count("\n- ") == 1
    assert f"\n- {argument}: " in caught.value.message


@pytest.mark.parametrize(
    "given",
    [
        {"count": 9},
        {"resolution": "4k"},
        {"aspect_ratio": "auto"},
        {"aspect_ratio": "21:9"},
        {"model": "o1", "resolution": "2k"},
        {"model": "3.0", "images": (LINK,)},
        {"images": (LINK,) * 10},
    ],
)
async def test_allowed_picture_request_has_no_problem(account: Account, given: dict[str, Any]) -> None:
    assert (await images(account, **{"prompt": "x"} | given)).request.prompt == "x"


async def test_pictures_and_elements_are_counted_together(account: Account, world: World) -> None:
    """fact: old-images"""
    add(world, "Mia")
    await images(account, prompt="@Mia", images=(LINK,) * 9)
    with pytest.raises(KlingError, match="together 10"):
        await images(account, prompt="@Mia", images=(LINK,) * 10)


async def test_video_element_is_refused_for_a_picture(account: Account, world: World) -> None:
    add(world, "Host", reference_type="video_refer")
    with pytest.raises(KlingError, match="must be an image element"):
        await images(account, prompt="@Host")


async def test_library_that_cannot_be_read_refuses_names(account: Account, world: World, faults: Faults) -> None:
    faults.reply_code(5000, times=None)
    error = await refusal(account, prompt="@Mia waves")
    assert error.kind == "vendor_fault"
    assert requests_to(world, "list")
