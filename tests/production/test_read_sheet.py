"""What a sheet means: its formats, defaults and paths, and the place of every problem."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import pytest

from kling_mcp.errors import InputError
from kling_mcp.generation.draft import VideoDraft
from kling_mcp.media.policy import MediaPolicy
from kling_mcp.production.check_shots import draft_of
from kling_mcp.production.model import Place
from kling_mcp.production.read_sheet import read_sheet
from production.studio import PIP, Studio

PAGE = Path(__file__).parents[2] / "docs" / "production.md"
EXAMPLE = re.findall("```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[0]

YAML = f"""version: 1
defaults:
  tags: [Character]
  shots: {{aspect_ratio: 9:16, audio: native}}
cast:{PIP}shots:
  s01:
    prompt: "@Pip waves"
    duration: 7
    takes: 2
"""
JSON = """{
  "$schema": "production.schema.json",
  "version": 1,
  "defaults": {"tags": ["Character"], "shots": {"aspect_ratio": "9:16", "audio": "native"}},
  "cast": {
    "Pip": {
      "description": "Small robot",
      "front": "pictures/pip-front.jpg",
      "others": ["pictures/pip-side.jpg"]
    }
  },
  "shots": {"s01": {"prompt": "@Pip waves", "duration": 7, "takes": 2}}
}"""
TOML = """version = 1
[defaults]
tags = ["Character"]
shots = {aspect_ratio = "9:16", audio = "native"}
[cast.Pip]
description = "Small robot"
front = "pictures/pip-front.jpg"
others = ["pictures/pip-side.jpg"]
[shots.s01]
prompt = "@Pip waves"
duration = 7
takes = 2
"""


@pytest.mark.parametrize(("text", "name"), [(YAML, "a.yaml"), (YAML, "a.yml"), (JSON, "a.json"), (TOML, "a.toml")])
def test_three_formats_say_the_same(studio: Studio, text: str, name: str) -> None:
    sheet = studio.read(text, name)
    pip, shot = sheet.cast["Pip"], sheet.shots["s01"]
    front = studio.folder / "pictures" / "pip-front.jpg"
    assert (pip.description, pip.tags, pip.is_adopted) == ("Small robot", ("Character",), False)
    assert pip.front is not None
    assert (pip.front.given, pip.front.source) == ("pictures/pip-front.jpg", str(front))
    assert pip.front.digest == hashlib.sha256(front.read_bytes()).hexdigest()
    assert [other.given for other in pip.others] == ["pictures/pip-side.jpg"]
    assert (shot.aspect_ratio, shot.audio, shot.duration, shot.takes) == ("9:16", "native", 7, 2)
    assert (shot.model, shot.resolution, shot.save_as) == ("3.0-omni", "720p", "s01")
    assert sheet.digest == hashlib.sha256(text.encode()).hexdigest()
    assert sheet.path == studio.folder / name


def test_example_of_the_docs_is_read(studio: Studio) -> None:
    sheet = studio.read(EXAMPLE)
    assert list(sheet.cast) == ["Pip", "Host", "Harbour", "Mia"]
    assert sheet.cast["Mia"].element_id == "829836802793406551"
    assert (sheet.cast["Pip"].tags, sheet.cast["Harbour"].tags, sheet.cast["Mia"].tags) == (
        ("Character",),
        ("Scene",),
        (),
    )
    assert [shot.save_as for shot in sheet.shots.values()] == ["episode-1/s01", "episode-1/s02", "episode-1/s03"]
    assert [shot.duration for shot in sheet.shots.values()] == [5, None, 8]


def test_places_of_entries_are_lines_and_columns(studio: Studio) -> None:
    sheet = studio.read(YAML)
    assert (sheet.cast["Pip"].place, sheet.shots["s01"].place) == (Place(6, 3), Place(11, 3))
    in_json = studio.read(JSON, "a.json")
    assert (in_json.cast["Pip"].place, in_json.shots["s01"].place) == (Place(6, 5), Place(12, 13))
    assert studio.read(TOML, "a.toml").cast["Pip"].place == Place()


def test_shot_makes_the_draft_of_a_video(studio: Studio) -> None:
    shot = studio.read(YAML).shots["s01"]
    assert draft_of(shot) == VideoDraft(prompt="@Pip waves", duration=7, aspect_ratio="9:16", audio="native")


@pytest.mark.parametrize("word", ["yes", "NO", "on", "2026-05-01", "12:30:45", "0x1F", "1_000", "5", "1.5", "true"])
def test_plain_words_of_yaml_stay_what_they_look_like(studio: Studio, word: str) -> None:
    entry = PIP.replace("Small robot", word).replace("Pip:", f"{word}:")
    assert [entry.description for entry in studio.read(f"cast:{entry}").cast.values()] == [word]
    assert list(studio.read(f"cast:{entry}").cast) == [word]


def test_own_values_win_over_defaults(studio: Studio) -> None:
    text = f"defaults: {{tags: [Character], voice: Anna}}\ncast:{PIP}    tags: []\n    voice: ''\n"
    pip = studio.read(text).cast["Pip"]
    assert (pip.tags, pip.voice) == ((), "")


def test_key_without_a_value_counts_as_left_out(studio: Studio) -> None:
    text = f"defaults: {{voice: Anna}}\ncast:{PIP}    voice:\n    tags: ~\nshots:\n"
    assert studio.read(text).cast["Pip"].voice == "Anna"


def test_bare_value_is_a_list_of_one(studio: Studio) -> None:
    pip = studio.read(f"cast:{PIP.replace('[pictures/pip-side.jpg]', 'pictures/pip-side.jpg')}").cast["Pip"]
    assert [other.given for other in pip.others] == ["pictures/pip-side.jpg"]


@pytest.mark.parametrize(("text", "name"), [('{"Mia": "829836802793406551", "Bo": "160"}', "cast.json")])
def test_map_of_names_and_ids_is_a_cast_to_adopt(studio: Studio, text: str, name: str) -> None:
    sheet = studio.read(text, name)
    assert {entry.name: entry.element_id for entry in sheet.cast.values()} == json.loads(text)
    assert all(entry.is_adopted for entry in sheet.cast.values())


@pytest.mark.parametrize("written", ["829836802793406551", "160", "8.298e17"])
@pytest.mark.parametrize("form", ['{{"Mia": {0}}}', '{{"cast": {{"Mia": {{"element_id": {0}}}}}}}'])
@pytest.mark.parametrize("name", ["a.json", "a.yaml"])
def test_id_as_a_number_is_refused(studio: Studio, form: str, written: str, name: str) -> None:
    (problem,) = studio.problems(form.format(written), name)
    assert problem.argument == "cast.Mia.element_id"
    assert problem.rule == "must be in quotes, because programs round long numbers"
    assert problem.place.line == 1
    assert ("take the id as text from find_elements" in problem.fix) == (written != "160")


class TestPaths:
    """What `front` may say, for a sheet in a folder of its own."""

    def test_paths_begin_at_the_folder_of_the_sheet(self, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir("/")
        front = studio.folder / "pictures" / "pip-front.jpg"
        for given in ("../pictures/pip-front.jpg", str(front), f"'\"{front}\"'"):
            text = f"cast:{PIP}".replace("pictures/", "../pictures/").replace("../pictures/pip-front.jpg", given)
            (studio.folder / "ep").mkdir(exist_ok=True)
            entry = studio.read(text, "ep/e.yaml").cast["Pip"]
            assert entry.front is not None
            assert entry.front.source == str(front)

    def test_home_folder_is_expanded(self, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(studio.folder / "pictures"))
        pip = studio.read(f"cast:{PIP}".replace("pictures/pip-front.jpg", "~/pip-front.jpg")).cast["Pip"]
        assert pip.front is not None
        assert pip.front.source == str(studio.folder / "pictures" / "pip-front.jpg")

    def test_path_of_a_sheet_from_windows_is_understood(self, studio: Studio) -> None:
        pip = studio.read(f"cast:{PIP}".replace("pictures/pip-front.jpg", r"pictures\pip-front.jpg")).cast["Pip"]
        assert pip.front is not None
        assert pip.front.source == str(studio.folder / "pictures" / "pip-front.jpg")

    def test_links_and_uris_stay(self, studio: Studio) -> None:
        uri = (studio.folder / "pictures" / "pip-front.jpg").as_uri()
        for given in ("https://example.com/pip.jpg", uri):
            pip = studio.read(f"cast:{PIP}".replace("pictures/pip-front.jpg", given)).cast["Pip"]
            assert pip.front is not None
            assert pip.front.source == given

    def test_picture_outside_of_the_allowed_folders_is_refused(self, studio: Studio) -> None:
        (studio.folder.parent / "secret.jpg").write_bytes((studio.folder / "pictures/pip-front.jpg").read_bytes())
        (problem,) = studio.problems(f"cast:{PIP}".replace("pictures/pip-front.jpg", "../secret.jpg"))
        assert problem.rule.startswith("must be inside the allowed folders")
        assert (problem.argument, problem.place.line) == ("cast.Pip.front", 4)


class TestFile:
    """Which files are opened."""

    def refused(self, studio: Studio, path: str | Path) -> str:
        with pytest.raises(InputError) as caught:
            read_sheet(str(path), studio.policy)
        return str(caught.value)

    def test_missing_sheet_is_answered_with_near_names(self, studio: Studio) -> None:
        studio.read(YAML, "episode.yaml")
        assert 'did you mean "episode.yaml"?' in self.refused(studio, studio.folder / "episodes.yaml")

    def test_sheet_outside_is_refused_whether_it_exists_or_not(self, studio: Studio) -> None:
        outside = studio.folder.parent / "e.yaml"
        missing = self.refused(studio, outside)
        outside.write_text(YAML)
        assert self.refused(studio, outside) == missing
        assert "must be inside the allowed folders" in missing

    def test_link_that_leads_out_is_not_followed(self, studio: Studio) -> None:
        (studio.folder.parent / "e.yaml").write_text(YAML)
        (studio.folder / "link.yaml").symlink_to(studio.folder.parent / "e.yaml")
        assert "must be inside the allowed folders" in self.refused(studio, studio.folder / "link.yaml")

    def test_relative_path_with_two_dots_is_resolved(self, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
        studio.read(YAML)
        monkeypatch.chdir(studio.folder / "pictures")
        assert read_sheet("../episode.yaml", studio.policy).path == studio.folder / "episode.yaml"

    def test_local_files_may_be_off(self, studio: Studio) -> None:
        studio.read(YAML)
        with pytest.raises(InputError, match="local files are off \\(not over http\\)"):
            read_sheet(str(studio.folder / "episode.yaml"), MediaPolicy(local_files_off_reason="not over http."))

    @pytest.mark.parametrize("name", ["notes.txt", "sheet", "episode.lock.json"])
    def test_files_of_another_kind_are_no_sheets(self, studio: Studio, name: str) -> None:
        (studio.folder / name).write_text(YAML)
        assert "must be a production sheet" in self.refused(studio, studio.folder / name)

    def test_links_folders_and_pipes_are_no_sheets(self, studio: Studio) -> None:
        (studio.folder / "folder.yaml").mkdir()
        os.mkfifo(studio.folder / "pipe.yaml")
        for name in ("folder.yaml", "pipe.yaml"):
            assert "must be a regular file" in self.refused(studio, studio.folder / name)
        assert "must be the path of a local file" in self.refused(studio, "https://example.com/episode.yaml")
