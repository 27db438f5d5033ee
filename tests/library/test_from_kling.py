"""From Kling's records to the library's: nothing endless, nothing that is no link, the right status."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from kling_mcp.api.models import ElementTask
from kling_mcp.library.from_kling import (
    MAX_DESCRIPTION_CHARACTERS,
    MAX_LINK_CHARACTERS,
    MAX_NAME_CHARACTERS,
    link,
    records_of,
)
from kling_mcp.library.records import LibraryElement, Source


def record(task: dict[str, Any], source: Source = "custom", **element: Any) -> LibraryElement:
    (made,) = records_of(ElementTask.model_validate({**task, "task_result": {"elements": [element]}}), source)
    return made


@pytest.mark.parametrize(
    ("task_status", "element_status", "source", "status"),
    [
        ("succeed", "succeed", "custom", "ready"),
        ("succeed", "", "custom", "ready"),
        ("processing", "succeed", "custom", "ready"),
        ("processing", "", "custom", "pending"),
        ("unheard of", "", "custom", "pending"),
        ("failed", "", "custom", "failed"),
        ("succeed", "deleted", "custom", "deleted"),
        ("", "", "custom", "ready"),
        ("", "", "preset", "ready"),
        ("submitted", "", "preset", "ready"),
        ("", "deleted", "preset", "deleted"),
    ],
)
def test_the_status_follows_from_both(task_status: str, element_status: str, source: Source, status: str) -> None:
    """facts: list-shows-deleted, presets-thin"""
    made = record({"task_id": "8", "task_status": task_status}, source, element_id=3, status=element_status)
    assert made.status == status


@pytest.mark.parametrize("task_status", ["", "submitted", "unheard of"])
def test_an_official_element_is_ready_in_every_list(task_status: str) -> None:
    """facts: owned-by, presets-thin"""
    made = [
        record({"task_id": "8", "task_status": task_status}, source, element_id=3, owned_by="kling")
        for source in get_args(Source)
    ]
    assert [each.status for each in made] == ["ready", "ready"]


@pytest.mark.parametrize(("word", "status"), [("processing", "pending"), ("failed", "failed"), ("new word", "pending")])
def test_a_task_without_an_element_is_a_record_too(word: str, status: str) -> None:
    """fact: list-is-tasks"""
    (made,) = records_of(ElementTask.model_validate({"task_id": "8", "task_status": word}), "custom")
    assert (made.task_id, made.element_id, made.status) == ("8", "", status)


def test_task_without_a_name_and_ids_is_no_record() -> None:
    assert records_of(ElementTask(), "custom") == []


def test_hostile_texts_are_cut() -> None:
    made = record({"task_id": "8" * 999}, element_id=3, element_name="x" * 10**5, element_description="y" * 10**5)
    assert len(made.element_name) == MAX_NAME_CHARACTERS
    assert len(made.element_description) == MAX_DESCRIPTION_CHARACTERS
    assert len(made.task_id) < 200


def test_half_a_character_is_left_out() -> None:
    """JSON can carry one; no file can."""
    assert record({}, element_id=3, element_name="M\ud800ia").element_name == "Mia"


def test_tags_have_the_names_of_kling_s_page() -> None:
    tags = [
        {"id": "o_102", "name": "角色"},
        {"tag_id": "o_102"},
        "o_103",
        {"id": "x_1", "name": " New "},
        {"id": "x_2"},
    ]
    assert record({}, element_id=3, tag_list=tags).tags == ("Character", "Animal", "New", "x_2")


def test_pictures_are_kept_as_links_only() -> None:
    images = {
        "frontal_image": "iVBORw0KGgo" + "A" * 5000,
        "refer_images": [{"image_url": "https://example.com/side.png"}, {"image_url": "http://example.com/back.png"}],
    }
    assert record({}, element_id=3, element_image_list=images).image_urls == ("https://example.com/side.png",)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://a.example",
        "javascript:alert(1)",
        "https://a.example/\n",
        "https://a.example/\u202egpj.exe",
        "https://a b.example/",
        "https://ä.example",
        "https://" + "a" * MAX_LINK_CHARACTERS,
    ],
)
def test_text_that_is_no_usable_link_is_left_empty(url: str) -> None:
    assert link(url) == ""


def test_a_voice_comes_with_its_trial() -> None:
    voice = {"voice_id": "83", "voice_name": "Alto", "trial_url": "https://example.com/a.mp3"}
    made = record({}, element_id=3, element_voice_info=voice)
    assert (made.voice_id, made.voice_name, made.voice_trial_url) == ("83", "Alto", "https://example.com/a.mp3")


@pytest.mark.parametrize(
    ("url", "encoded"),
    [
        ("https://a.example/x.mp3?b=1,2&c=(3)#d", "https://a.example/x.mp3?b=1,2&c=(3)#d"),
        ("https://a.example/warm voice.mp3", "https://a.example/warm%20voice.mp3"),
        ("https://a.example/warm%20voice.mp3", "https://a.example/warm%20voice.mp3"),
        ("https://a.example/100% real.mp3", "https://a.example/100%25%20real.mp3"),
        ("https://a.example/温柔.mp3", "https://a.example/%E6%B8%A9%E6%9F%94.mp3"),
        ('https://a.example/"><b>.mp3', "https://a.example/%22%3E%3Cb%3E.mp3"),
    ],
)
def test_a_link_is_percent_encoded_once(url: str, encoded: str) -> None:
    assert link(url) == encoded
    assert link(encoded) == encoded
