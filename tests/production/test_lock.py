"""The lock file: nothing in it is lost, whatever happens while it is written."""

from __future__ import annotations

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kling_mcp.concurrency.clock import iso_utc
from kling_mcp.errors import InputError, StorageError
from kling_mcp.production.lock import PATIENCE_SECONDS, _wait_for_turn, lock_path, read_lock, update_lock
from kling_mcp.production.lock_format import to_text
from kling_mcp.production.model import Lock, LockedElement, LockedShot, ReplacedElement
from kling_mcp.results.folder import Folder

NOW = 1_790_000_000.0
PIP = LockedElement(
    element_id="829836802793406551",
    element_name="Pip",
    task_id="880001",
    external_task_id="kmcp-1",
    content="ab12",
    made_from={"description": "Small robot", "front": "sha256:00ff"},
    made_at="2026-11-27T12:00:00Z",
    replaced=(ReplacedElement("160", "Pip", "2026-11-26T12:00:00Z"),),
)
TAKE = LockedShot(
    task_id="880002",
    external_task_id="kmcp-2",
    content="cd34",
    made_from={"prompt": "@Pip waves"},
    files=("s01.mp4",),
    units="4.0",
    element_ids={"Pip": "829836802793406551"},
    made_at="2026-11-27T12:05:00Z",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Beside a sheet."""
    return lock_path(tmp_path / "episode.yaml")


def test_lock_file_lies_beside_its_sheet() -> None:
    assert lock_path(Path("/a/episode.one.yaml")) == Path("/a/episode.one.lock.json")


def test_missing_file_is_an_empty_lock(path: Path) -> None:
    assert read_lock(path) == Lock()
    assert not path.exists()


def test_entries_are_read_as_they_were_written(path: Path) -> None:
    update_lock(path, cast={"Pip": PIP}, now=NOW)
    update_lock(path, shots={"s01": {1: TAKE}}, now=NOW)
    update_lock(path, shots={"s01": {2: LockedShot(task_id="880003")}, "s02": {1: LockedShot()}}, now=NOW)
    lock = read_lock(path)
    assert lock.cast == {"Pip": PIP}
    assert lock.shots == {"s01": {1: TAKE, 2: LockedShot(task_id="880003")}, "s02": {1: LockedShot()}}


def test_file_is_the_same_whatever_the_order(path: Path) -> None:
    update_lock(path, cast={"Zoe": PIP}, now=NOW)
    update_lock(path, cast={"Ada": PIP}, shots={"s02": {2: TAKE}}, now=NOW)
    update_lock(path, shots={"s02": {1: TAKE}}, now=NOW)
    first = path.read_text("utf-8")
    path.unlink()
    update_lock(path, shots={"s02": {1: TAKE, 2: TAKE}}, cast={"Ada": PIP, "Zoe": PIP}, now=NOW)
    assert path.read_text("utf-8") == first
    assert first.endswith("}\n")
    assert '      "element_id": "829836802793406551",\n' in first


def test_unknown_keys_stay_when_an_entry_is_written_again(path: Path) -> None:
    path.write_text(
        json.dumps(
            {
                "version": 1,
                "note": "by hand",
                "cast": {"Pip": {"element_id": "160", "colour": "orange"}, "Bo": {"size": 2}},
                "shots": {"s01": {"title": "Dawn", "takes": {"1": {"seen": True}}}},
            }
        )
    )
    assert read_lock(path).cast["Pip"].element_id == "160"
    update_lock(path, cast={"Pip": PIP}, shots={"s01": {1: TAKE}}, now=NOW)
    told = json.loads(path.read_text("utf-8"))
    assert (told["note"], told["cast"]["Pip"]["colour"], told["cast"]["Bo"]) == ("by hand", "orange", {"size": 2})
    assert (told["shots"]["s01"]["title"], told["shots"]["s01"]["takes"]["1"]["seen"]) == ("Dawn", True)
    assert read_lock(path).cast["Pip"] == PIP


DAMAGED: dict[str, tuple[str | bytes, str]] = {
    "cut off": ('{"version": 1, "cast": {', "must be valid JSON"),
    "a merge": ('{"version": 1,\n<<<<<<< ours\n"cast": {}\n=======\n>>>>>>> theirs\n}', "must have no conflict marks"),
    "deep": ("[" * 100_000, "must be valid JSON"),
    "a list": ("[]", "must be a map with a version"),
    "no version": ('{"cast": {}}', "must be a map with a version"),
    "a newer version": ('{"version": 2, "cast": {}}', "must be of version 1"),
    "a cast that is a list": ('{"version": 1, "cast": []}', "must have a map under cast"),
    "another encoding": (b'{"version": 1, "note": "\xff"}', "must be UTF-8"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_damaged_file_is_a_problem_and_stays_as_it_is(path: Path, what: str) -> None:
    text, rule = DAMAGED[what]
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = path.read_bytes()
    with pytest.raises(InputError, match=rule):
        read_lock(path)
    with pytest.raises(InputError, match=rule):
        update_lock(path, cast={"Pip": PIP}, now=NOW)
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "entry",
    [
        {"cast": {"Pip": {"element_id": 829836802793406551}}},
        {"cast": {"Pip": "160"}},
        {"cast": {"Pip": {"made_from": {"front": 5}}}},
        {"cast": {"Pip": {"replaced": {}}}},
        {"shots": {"s01": {"takes": {"one": {}}}}},
        {"shots": {"s01": {"takes": {"1": {"files": [1]}}}}},
        {"shots": {"s01": []}},
    ],
)
def test_entry_that_cannot_be_read_is_named_and_kept(path: Path, entry: dict[str, object]) -> None:
    path.write_text(json.dumps({"version": 1, **entry}))
    with pytest.raises(InputError) as caught:
        read_lock(path)
    assert caught.value.problems[0].argument in {"cast.Pip", "shots.s01"}
    update_lock(path, cast={"Bo": PIP}, now=NOW)  # what was just made is recorded all the same
    told = json.loads(path.read_text("utf-8"))
    assert all(told[part].items() >= entries.items() for part, entries in entry.items() if isinstance(entries, dict))


def test_link_is_neither_read_nor_replaced(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "other.json"
    target.write_text('{"version": 1}')
    path.symlink_to(target)
    with pytest.raises(InputError, match="a link"):
        read_lock(path)
    with pytest.raises(InputError, match="a link"):
        update_lock(path, cast={"Pip": PIP}, now=NOW)
    assert path.is_symlink()
    assert target.read_text() == '{"version": 1}'


def test_rights_of_the_file_are_kept(path: Path) -> None:
    update_lock(path, cast={"Pip": PIP}, now=NOW)
    path.chmod(0o640)
    update_lock(path, cast={"Bo": PIP}, now=NOW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_unchanged_entry_does_not_touch_the_file(path: Path) -> None:
    update_lock(path, cast={"Pip": PIP}, now=NOW)
    before = path.stat().st_ino
    update_lock(path, cast={"Pip": PIP}, now=NOW)
    assert path.stat().st_ino == before


def test_element_of_an_entry_is_never_forgotten(path: Path) -> None:
    update_lock(path, cast={"Pip": LockedElement(element_id="1", element_name="Pip")}, now=NOW)
    update_lock(path, cast={"Pip": LockedElement(element_id="2", element_name="Pip")}, now=NOW)
    late = LockedElement(element_id="3", replaced=(ReplacedElement("1", "Pip", "2026-01-01T00:00:00Z"),))
    update_lock(path, cast={"Pip": late}, now=NOW + 60)
    assert read_lock(path).cast["Pip"].replaced == (
        ReplacedElement("1", "Pip", "2026-01-01T00:00:00Z"),
        ReplacedElement("2", "Pip", iso_utc(round(NOW + 60) * 1000)),
    )
    update_lock(path, cast={"Pip": LockedElement(element_id="1")}, now=NOW)  # back to the first one
    assert [old.element_id for old in read_lock(path).cast["Pip"].replaced] == ["2", "3"]


def test_writers_at_the_same_time_lose_nothing(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: update_lock(path, cast={f"Pip {number}": PIP}, now=NOW), range(40)))
    assert len(read_lock(path).cast) == 40
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_leftovers_of_a_killed_process_are_replaced(path: Path) -> None:
    (path.parent / f".{path.name}.new").write_text("half a fi")
    update_lock(path, cast={"Pip": PIP}, now=NOW)
    assert read_lock(path).cast == {"Pip": PIP}
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_writer_that_does_not_end_is_reported_after_a_while(path: Path) -> None:
    pauses: list[float] = []
    with Folder.output(path.parent) as folder:
        other = _wait_for_turn(folder, path, NOW, lambda _: None)
        with pytest.raises(StorageError, match="Another process has been writing"):
            update_lock(path, cast={"Pip": PIP}, now=NOW, pause=pauses.append)
        other.close()
    assert sum(pauses) == pytest.approx(PATIENCE_SECONDS)
    assert not path.exists()


def test_writer_waits_for_its_turn(path: Path) -> None:
    with Folder.output(path.parent) as folder:
        other = _wait_for_turn(folder, path, NOW, lambda _: None)
        update_lock(path, cast={"Pip": PIP}, now=NOW, pause=lambda _: other.close())
    assert read_lock(path).cast == {"Pip": PIP}


def test_file_that_cannot_be_written_is_named(path: Path) -> None:
    (path.parent / f".{path.name}.new").mkdir()
    with pytest.raises(StorageError, match=r"episode\.lock\.json"):
        update_lock(path, cast={"Pip": PIP}, now=NOW)
    assert read_lock(path) == Lock()


def test_text_with_half_a_character_is_still_written(path: Path) -> None:
    update_lock(path, cast={"Pip": LockedElement(made_from={"description": "a\ud800b"})}, now=NOW)
    assert read_lock(path).cast["Pip"].made_from == {"description": "a?b"}


def test_text_of_a_lock_is_json_with_sorted_keys() -> None:
    assert to_text({"version": 1, "cast": {"Zoë": {}}}) == '{\n  "cast": {\n    "Zoë": {}\n  },\n  "version": 1\n}\n'
