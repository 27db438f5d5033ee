"""A whole creation: all problems in one answer, and exactly the documented body when there are none."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from media import pictures

from kling_mcp.api.limits import MAX_INLINE_BASE64_BYTES
from kling_mcp.elements.draft import ElementDraft, PreparedElement
from kling_mcp.elements.preflight import prepare
from kling_mcp.errors import InputError, Problem
from kling_mcp.media.inputs import inline_warnings
from kling_mcp.media.picture import Picture
from kling_mcp.media.policy import MediaPolicy

MIA = ElementDraft(
    element_name="Mia",
    element_description="Barista, short red hair, green apron",
    reference_type="image_refer",
    frontal_image="https://example.com/mia-front.png",
    refer_images=("https://example.com/mia-side.png",),
    tags=("Character",),
    external_task_id="kmcp-4f1c09",
)
HOST = ElementDraft(
    element_name="Host",
    element_description="Presenter, grey suit",
    reference_type="video_refer",
    video_url="https://example.com/host.mp4",
)
OFF = MediaPolicy(local_files_off_reason="this test reads no files")


def refusals(draft: ElementDraft, policy: MediaPolicy = OFF) -> tuple[Problem, ...]:
    with pytest.raises(InputError) as caught:
        prepare(draft, policy)
    return caught.value.problems


def test_the_documented_picture_example_comes_out_to_the_letter() -> None:
    """facts: create-fields, frontal-is-string, image-count"""
    prepared = prepare(MIA, OFF)
    assert prepared.warnings == ()
    assert prepared.body() == {
        "element_name": "Mia",
        "element_description": "Barista, short red hair, green apron",
        "reference_type": "image_refer",
        "element_image_list": {
            "frontal_image": "https://example.com/mia-front.png",
            "refer_images": [{"image_url": "https://example.com/mia-side.png"}],
        },
        "tag_list": [{"tag_id": "o_102"}],
        "external_task_id": "kmcp-4f1c09",
    }


def test_the_documented_video_example_comes_out_to_the_letter() -> None:
    prepared = prepare(HOST, OFF)
    assert prepared.warnings == ()
    assert prepared.body() == {
        "element_name": "Host",
        "element_description": "Presenter, grey suit",
        "reference_type": "video_refer",
        "element_video_list": {"refer_videos": [{"video_url": "https://example.com/host.mp4"}]},
    }


def test_local_pictures_are_sent_as_the_very_same_bytes(album: Path, policy: MediaPolicy) -> None:
    """fact: base64-bare"""
    front = album / "front view.jpg"
    front.write_bytes(pictures.jpeg(700, 400, orientation=6))
    side = pictures.png()
    draft = dataclasses.replace(
        MIA,
        frontal_image=front.as_uri(),
        refer_images=(pictures.data_uri(side), "https://example.com/back.png"),
        element_voice_id="829836802793406551",
        callback_url="https://hooks.example.com/kling",
    )
    prepared = prepare(draft, policy)
    assert prepared.frontal_image == Picture(
        "frontal_image", data=front.read_bytes(), width=400, height=700, format="jpeg"
    )
    assert [picture.argument for picture in prepared.refer_images] == ["refer_images[0]", "refer_images[1]"]
    body = prepared.body()
    assert body["element_image_list"] == {
        "frontal_image": front.read_bytes(),  # bytes go out as bare Base64, see api/test_outgoing.py
        "refer_images": [
            {"image_url": side},
            {"image_url": "https://example.com/back.png"},
        ],
    }
    assert body["element_voice_id"] == "829836802793406551"
    assert body["callback_url"] == "https://hooks.example.com/kling"
    assert prepared.warnings == ()


def test_a_picture_is_known_by_its_bytes_or_by_its_link() -> None:
    link = "https://example.com/a.png"
    assert Picture("frontal_image", data=b"abc").digest() == hashlib.sha256(b"abc").hexdigest()
    assert Picture("frontal_image", link=link).digest() == hashlib.sha256(link.encode()).hexdigest()


def test_a_picture_does_not_spill_its_bytes_into_logs() -> None:
    assert "canary" not in repr(Picture("frontal_image", data=b"canary"))


def test_all_problems_of_all_inputs_come_in_one_answer(album: Path, policy: MediaPolicy) -> None:
    (album / "small.png").write_bytes(pictures.png(200, 100))
    (album / "page.jpg").write_bytes(b"<!doctype html>")
    draft = ElementDraft(
        element_name="Captain Jonathan Archibald Sparrow",
        element_description="x" * 101,
        reference_type="image_refer",
        frontal_image=str(album / "small.png"),
        refer_images=(str(album / "page.jpg"), "http://example.com/a.png", "/mnt/user-data/a.png", "d"),
        video_url="https://example.com/a.mp4",
        element_voice_id="Warm",
        tags=("Robot",),
        callback_url="http://example.com",
        external_task_id="a/b",
    )
    problems = refusals(draft, policy)
    assert [problem.argument for problem in problems] == [
        "element_name",
        "element_description",
        "refer_images",
        "frontal_image",
        "refer_images[0]",
        "refer_images[1]",
        "refer_images[2]",
        "video_url",
        "element_voice_id",
        "tags[0]",
        "callback_url",
        "external_task_id",
    ]
    for problem in problems:
        assert all((problem.rule, problem.actual, problem.fix))
        assert "\n" not in str(problem)
        assert len(problem.actual) < 300


def test_too_few_pictures_get_the_advice_to_add_an_angle_or_repeat_the_front() -> None:
    """facts: image-count, frontal-may-repeat"""
    (problem,) = refusals(dataclasses.replace(MIA, refer_images=()))
    assert problem.argument == "refer_images"
    assert "another angle" in problem.fix
    assert "repeat the frontal picture" in problem.fix
    assert "weaker element" in problem.fix


@pytest.mark.parametrize("count", [1, 2, 3])
def test_reference_pictures_from_one_to_three_are_accepted(count: int) -> None:
    links = tuple(f"https://example.com/{place}.png" for place in range(count))
    assert len(prepare(dataclasses.replace(MIA, refer_images=links), OFF).refer_images) == count


def test_four_further_pictures_are_too_many() -> None:
    links = tuple(f"https://example.com/{place}.png" for place in range(4))
    (problem,) = refusals(dataclasses.replace(MIA, refer_images=links))
    assert "leave 1 out" in problem.fix
    assert problem.actual == "4"


def test_a_missing_frontal_picture_is_asked_for() -> None:
    (problem,) = refusals(dataclasses.replace(MIA, frontal_image="  "))
    assert problem.argument == "frontal_image"


def test_empty_entry_among_the_pictures_is_reported() -> None:
    (problem,) = refusals(dataclasses.replace(MIA, refer_images=("https://example.com/a.png", "")))
    assert (problem.argument, problem.actual) == ("refer_images[1]", "an empty text")


def test_the_same_picture_twice_is_a_warning_even_under_two_names(album: Path, policy: MediaPolicy) -> None:
    """fact: frontal-may-repeat"""
    (album / "front.png").write_bytes(pictures.png())
    (album / "copy.png").write_bytes(pictures.png())
    (album / "side.png").write_bytes(pictures.png(shade=10))
    draft = dataclasses.replace(
        MIA,
        frontal_image=str(album / "front.png"),
        refer_images=(str(album / "side.png"), str(album / "copy.png"), pictures.data_uri(pictures.png(shade=10))),
    )
    first, second = prepare(draft, policy).warnings
    assert first.startswith("refer_images[1] is the same picture as frontal_image")
    assert second.startswith("refer_images[2] is the same picture as refer_images[0]")
    assert "weaker element" in first


def test_the_same_link_twice_is_a_warning() -> None:
    (warning,) = prepare(dataclasses.replace(MIA, refer_images=(MIA.frontal_image,)), OFF).warnings
    assert warning.startswith("refer_images[0] is the same picture as frontal_image")


def test_a_link_that_promises_another_format_is_a_warning() -> None:
    """fact: image-formats"""
    (warning,) = prepare(dataclasses.replace(MIA, frontal_image="https://example.com/a.webp?x=1"), OFF).warnings
    assert warning.startswith("frontal_image: the link ends in .webp")


def test_pictures_that_make_a_very_large_request_are_sent_with_a_warning(album: Path, policy: MediaPolicy) -> None:
    """fact: body-40mb"""
    for name, size in (("a", 9_999_999), ("b", 9_999_999), ("c", 9_999_999), ("d", 3)):
        (album / name).write_bytes(pictures.png_of_exactly(max(size, 5000), shade=ord(name)))
    four = dataclasses.replace(
        MIA, frontal_image=str(album / "a"), refer_images=tuple(str(album / name) for name in "bcd")
    )
    warning = prepare(four, policy).warnings[0]
    assert str(MAX_INLINE_BASE64_BYTES) in warning
    assert "https links" in warning
    three = dataclasses.replace(four, refer_images=four.refer_images[:2])
    prepared = prepare(three, policy)
    assert prepared.refer_images[1].inline_bytes() == 13_333_332
    assert not prepared.warnings


def test_the_sum_that_is_warned_of_is_exact() -> None:
    at_limit = [Picture("frontal_image", data=bytes(MAX_INLINE_BASE64_BYTES // 4 * 3))]
    assert inline_warnings(at_limit) == []
    (warning,) = inline_warnings([*at_limit, Picture("refer_images[0]", data=b"x")])
    assert f"{MAX_INLINE_BASE64_BYTES + 4} bytes" in warning


@pytest.mark.parametrize("data", [b"", b"a", b"ab", b"abc", b"abcd"])
def test_the_counted_size_is_the_size_on_the_wire(data: bytes) -> None:
    assert Picture("frontal_image", data=data).inline_bytes() == len(base64.b64encode(data))


@pytest.mark.parametrize(
    ("given_as", "nearest"),
    [
        ("image", "image_refer"),
        ("Image_Refer", "image_refer"),
        ("photos", "image_refer"),
        ("video", "video_refer"),
        ("vidio_refer", "video_refer"),
        ("", "image_refer"),
        ("multi", "image_refer"),
    ],
)
def test_a_wrong_reference_type_is_answered_with_the_nearest(given_as: str, nearest: str) -> None:
    (problem,) = refusals(dataclasses.replace(MIA, reference_type=given_as))
    assert problem.argument == "reference_type"
    assert problem.fix == f"did you mean {nearest}?"


def test_a_missing_reference_type_is_guessed_from_what_was_given() -> None:
    (problem,) = refusals(dataclasses.replace(HOST, reference_type=""))
    assert problem.fix == "did you mean video_refer?"


def test_a_wrong_reference_type_hides_no_other_problem() -> None:
    draft = dataclasses.replace(MIA, reference_type="x", frontal_image="http://a.b/c", video_url="/a.mp4")
    assert [problem.argument for problem in refusals(draft)] == ["reference_type", "frontal_image", "video_url"]


def test_pictures_beside_a_video_are_never_dropped_silently() -> None:
    draft = dataclasses.replace(HOST, frontal_image="/nowhere/a.png", refer_images=("b",))
    frontal, others = refusals(draft)
    assert (frontal.argument, others.argument) == ("frontal_image", "refer_images")
    assert "no effect" in frontal.rule
    assert "set reference_type to image_refer" in frontal.fix


def test_a_video_beside_pictures_is_never_dropped_silently() -> None:
    (problem,) = refusals(dataclasses.replace(MIA, video_url="https://example.com/a.mp4"))
    assert "no effect" in problem.rule


def test_a_missing_video_is_asked_for_with_its_rules() -> None:
    """fact: video-format"""
    (problem,) = refusals(dataclasses.replace(HOST, video_url=""))
    assert "3 to 8 s" in problem.rule


@pytest.mark.parametrize(
    "video",
    [
        "/home/mia/host.mp4",
        r"C:\host.mp4",
        "file:///host.mp4",
        "http://example.com/host.mp4",
        "host.mp4",
        pictures.data_uri(b"film", "video/mp4"),
    ],
)
def test_a_video_that_is_no_https_link_is_refused_with_the_rule(video: str) -> None:
    """fact: video-url-only"""
    (problem,) = refusals(dataclasses.replace(HOST, video_url=video))
    assert problem.argument == "video_url"
    assert "must be an https link" in problem.rule
    assert "no upload route" in problem.rule
    assert "ZmlsbQ" not in str(problem)


@pytest.mark.parametrize("ending", [".webm", ".AVI", ".mkv?x=1", ".jpg", ".gif", ".m3u8"])
def test_a_video_in_another_format_is_refused(ending: str) -> None:
    """fact: video-format"""
    (problem,) = refusals(dataclasses.replace(HOST, video_url=f"https://example.com/host{ending}"))
    assert "mp4 or mov" in problem.fix


@pytest.mark.parametrize("ending", [".mp4", ".MOV", "", "?id=7", ".php", ".mp4?sig=a.webm", ".m4v"])
def test_video_of_unknown_format_is_accepted(ending: str) -> None:
    link = f"https://example.com/host{ending}"
    assert prepare(dataclasses.replace(HOST, video_url=f' "{link}" '), OFF).video_url == link


def test_a_private_video_link_is_refused() -> None:
    (problem,) = refusals(dataclasses.replace(HOST, video_url="https://localhost/host.mp4"))
    assert "that Kling can open" in problem.rule


def test_a_voice_beside_a_video_is_sent_with_a_warning() -> None:
    """facts: video-voice, video-voice-unreliable"""
    prepared = prepare(dataclasses.replace(HOST, element_voice_id="829836802793406551"), OFF)
    assert prepared.body()["element_voice_id"] == "829836802793406551"
    (warning,) = prepared.warnings
    assert "which one wins" in warning


def test_a_voice_beside_pictures_is_sent_without_a_warning() -> None:
    """fact: voice-on-images"""
    assert prepare(dataclasses.replace(MIA, element_voice_id="829836802793406551"), OFF).warnings == ()


def test_a_voice_id_of_unusual_length_is_a_warning() -> None:
    """fact: voice-record"""
    (warning,) = prepare(dataclasses.replace(MIA, element_voice_id=" 12345 "), OFF).warnings
    assert "5 digits" in warning


def test_repeated_tags_are_sent_once_with_a_warning() -> None:
    prepared = prepare(dataclasses.replace(MIA, tags=("Character", "o_102", "Item")), OFF)
    assert prepared.tag_ids == ("o_102", "o_104")
    (warning,) = prepared.warnings
    assert "Character, Item" in warning


def test_emoji_in_the_name_are_a_warning() -> None:
    prepared = prepare(dataclasses.replace(MIA, element_name="😀" * 20), OFF)
    assert prepared.element_name == "😀" * 20
    (warning,) = prepared.warnings
    assert warning.startswith("element_name has 20 characters, but 40")


def test_a_private_callback_is_a_warning_because_waiting_still_works() -> None:
    (warning,) = prepare(dataclasses.replace(MIA, callback_url="https://127.0.0.1:9/cb"), OFF).warnings
    assert warning.startswith("callback_url points to a private host")


def test_a_callback_with_a_password_is_refused_without_showing_it() -> None:
    (problem,) = refusals(dataclasses.replace(MIA, callback_url="https://mia:canary@example.com/cb"))
    assert problem.argument == "callback_url"
    assert "canary" not in str(problem)


def test_surrounding_white_space_goes_and_nothing_else_changes() -> None:
    draft = dataclasses.replace(
        MIA, element_name=" Mia  B. ", element_description="a\u00a0b ", reference_type=" image_refer "
    )
    prepared = prepare(draft, OFF)
    assert (prepared.element_name, prepared.element_description) == ("Mia  B.", "a\u00a0b")
    assert prepared.reference_type == "image_refer"


def test_optional_fields_that_are_empty_are_not_sent() -> None:
    bare = PreparedElement("Mia", "Barista", "image_refer", frontal_image=Picture("frontal_image", link="https://a.b"))
    assert set(bare.body()) == {"element_name", "element_description", "reference_type", "element_image_list"}


def test_pictures_are_checked_without_loading_a_decoder(tmp_path: Path) -> None:
    """A file is checked before the credential is proved, so it must not reach a decoder there."""
    (tmp_path / "mia.png").write_bytes(pictures.png())
    program = """
import sys
from pathlib import Path
from kling_mcp.elements.draft import ElementDraft
from kling_mcp.elements.preflight import prepare
from kling_mcp.media.policy import MediaPolicy

def is_loaded_after(picture):
    prepare(ElementDraft("Mia", "Barista", "image_refer", picture, (picture,)), MediaPolicy((Path(sys.argv[1]),)))
    return "PIL" in sys.modules

print(is_loaded_after("https://example.com/mia.png"), is_loaded_after(sys.argv[1] + "/mia.png"))
"""
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], check=True, timeout=60, capture_output=True, text=True
    )
    assert ran.stdout == "False False\n"
