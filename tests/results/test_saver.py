"""Results become files: each once, whole, with a record beside it, and never in place of another."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from media.pictures import png
from processes import until

from kling_mcp.errors import InputError, ResultError
from kling_mcp.results.saver import Result, ResultSaver, SavedFile
from kling_mcp.results.sidecar import UsedElement
from results.stand import Ask, clip, described, results, saver, status, storing, visible, whole

pytestmark = pytest.mark.anyio

CLIP = clip(3000)
STEM = "mama-and-sara-dance-in-the-kitchen"
FULL = described(
    external_task_id="kmcp-1",
    elements=[UsedElement("320000000000000007", "Mama"), UsedElement("320000000000000008", "Sara")],
    settings={"duration": 5, "aspect_ratio": "16:9", "audio": "native"},
    model="3.0-omni",
    take=2,
    units_estimated="4",
    units_deducted="4.0",
    created_at=1_790_000_000_000,
    updated_at=1_790_000_100_000,
)


@pytest.fixture
def anyio_backend() -> str:
    """Sockets need real time."""
    return "asyncio"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def content(row: SavedFile) -> bytes:
    return Path(row.path).read_bytes()


def delete(row: SavedFile) -> None:
    Path(row.path).unlink()


def put(path: Path, text: str = "mine") -> None:
    """A file of a person's."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")


def error_of(row: SavedFile) -> ResultError:
    assert row.error is not None
    assert (row.path, row.bytes) == ("", 0)
    return row.error


async def test_clip_becomes_a_row_and_a_file(out: Path) -> None:
    async with storing(whole(CLIP)) as store:
        (row,) = await saver(store, out).save(results(store), FULL)
        assert row == SavedFile(
            path=str(out / f"{STEM}-take-2.mp4"),
            url=store.link(),
            expires_at="2096-10-02T07:06:40.000Z",
            mime_type="video/mp4",
            seconds=5.0,
            bytes=3000,
        )
    assert content(row) == CLIP
    assert visible(out) == [f"{STEM}-take-2.json", f"{STEM}-take-2.mp4"]


async def test_record_lists_what_a_result_was_made_from(out: Path) -> None:
    async with storing(whole(CLIP)) as store:
        await saver(store, out).save(results(store), FULL)
    told = json.loads((out / f"{STEM}-take-2.json").read_text("utf-8"))
    saved_at = told.pop("saved_at")
    assert saved_at.endswith("Z")
    assert told == {
        "kling_mcp": 1,
        "file": f"{STEM}-take-2.mp4",
        "kind": "video",
        "prompt": "Mama and Sara dance in the kitchen",
        "elements": [
            {"element_id": "320000000000000007", "element_name": "Mama"},
            {"element_id": "320000000000000008", "element_name": "Sara"},
        ],
        "model": "3.0-omni",
        "settings": {"duration": 5, "aspect_ratio": "16:9", "audio": "native"},
        "take": 2,
        "task_id": "880000000000000101",
        "external_task_id": "kmcp-1",
        "index": 1,
        "units_estimated": "4",
        "units_deducted": "4.0",
        "created_at": "2026-09-21T14:13:20.000Z",
        "updated_at": "2026-09-21T14:15:00.000Z",
        "source": f"{store.url}/a.mp4",
        "source_expires_at": "2096-10-02T07:06:40.000Z",
        "mime_type": "video/mp4",
        "seconds": 5.0,
        "bytes": 3000,
        "sha256": hashlib.sha256(CLIP).hexdigest(),
    }


@pytest.mark.parametrize(
    ("asked", "stem"),
    [
        ({"take": 3}, f"{STEM}-take-3"),
        ({"take": 3, "save_as": "kitchen"}, "kitchen"),
        ({"title": "Mia waves\nMia leaves"}, "mia-waves-mia-leaves"),
    ],
)
async def test_take_and_title_are_in_the_name_of_a_file(out: Path, asked: dict[str, Any], stem: str) -> None:
    async with storing(whole(CLIP)) as store:
        (row,) = await saver(store, out).save(results(store), described(**asked))
    assert Path(row.path).stem == stem


async def test_several_pictures_are_numbered_and_get_their_right_extension(out: Path) -> None:
    bodies = {"/1.png": png(64, 64), "/2.png": png(65, 64), "/3.jpg": png(66, 64)}

    async def by_name(ask: Ask) -> None:
        await whole(bodies[ask.path.partition("?")[0]])(ask)

    async with storing(by_name) as store:
        rows = await saver(store, out).save(
            results(store, "1.png", "2.png", "3.jpg"), described(kind="image", save_as="astronaut")
        )
    assert [Path(row.path).name for row in rows] == ["astronaut-1.png", "astronaut-2.png", "astronaut-3.png"]
    assert [content(row) for row in rows] == list(bodies.values())
    assert {row.mime_type for row in rows} == {"image/png"}


@pytest.mark.parametrize(
    ("save_as", "path"),
    [
        ("", f"{STEM}.mp4"),
        ("kitchen", "kitchen.mp4"),
        ("kitchen.mp4", "kitchen.mp4"),
        ("kitchen.PNG", "kitchen.mp4"),
        ("scenes/", f"scenes/{STEM}.mp4"),
        ("scenes/one/kitchen", "scenes/one/kitchen.mp4"),
        ("scenes\\kitchen", "scenes/kitchen.mp4"),
        ("there", f"there/{STEM}.mp4"),
        ("./kitchen", "kitchen.mp4"),
        ("Küche 1: Mama?", "Küche 1 Mama.mp4"),
        ("v1.2", "v1.2.mp4"),
    ],
)
async def test_save_as_is_a_name_or_a_folder(out: Path, save_as: str, path: str) -> None:
    (out / "there").mkdir(parents=True)
    async with storing(whole(CLIP)) as store:
        (row,) = await saver(store, out).save(results(store), described(save_as=save_as))
    assert Path(row.path) == out / path
    assert content(row) == CLIP


class TestSavedOnce:
    async def test_repeated_call_finds_the_file_and_downloads_nothing(self, out: Path) -> None:
        async with storing(whole(CLIP)) as store:
            (first,) = await saver(store, out).save(results(store), described(save_as="scenes/one"))
            (again,) = await saver(store, out).save([Result(store.link())], described(save_as="two"))
            assert len(store.asked) == 1
            assert again == replace(first, note=f'It was saved already, as "{first.path}"; save_as was not used.')
            for where in ("", "scenes/one", "scenes/", "scenes/one.mp4"):
                (same,) = await saver(store, out).save([Result(store.link())], described(save_as=where))
                assert same == first, where

    async def test_name_of_a_task_is_never_taken_by_the_next(self, out: Path) -> None:
        bodies = [CLIP, clip(3001), clip(3002)]
        async with storing(*map(whole, bodies)) as store:
            made = saver(store, out)
            rows = [(await made.save(results(store), described(task_id=task)))[0] for task in ("1", "2", "3")]
        assert [Path(row.path).stem for row in rows] == [STEM, f"{STEM} (2)", f"{STEM} (3)"]
        assert [content(row) for row in rows] == bodies

    @pytest.mark.parametrize("name", ["kitchen.mp4", "KITCHEN.MP4", "kitchen.json", "Kitchen.JSON"])
    async def test_file_of_a_person_is_never_overwritten(self, out: Path, name: str) -> None:
        put(out / name)
        async with storing(whole(CLIP)) as store:
            (row,) = await saver(store, out).save(results(store), described(save_as="kitchen"))
        assert Path(row.path) == out / "kitchen (2).mp4"
        assert (out / name).read_text() == "mine"

    async def test_file_that_a_person_deleted_is_downloaded_again(self, out: Path) -> None:
        async with storing(whole(CLIP)) as store:
            (row,) = await saver(store, out).save(results(store), described())
            told = (out / f"{STEM}.json").read_text()
            delete(row)
            (again,) = await saver(store, out).save(results(store), described())
        assert again == row
        assert content(row) == CLIP
        assert ((out / f"{STEM}.json").read_text(), visible(out)) == (told, [f"{STEM}.json", f"{STEM}.mp4"])

    async def test_record_whose_name_is_taken_meanwhile_gets_another(self, out: Path) -> None:
        async with storing(whole(CLIP)) as store:
            (row,) = await saver(store, out).save(results(store), described())
            delete(row)
            (out / f"{STEM}.mp4").mkdir()
            (again,) = await saver(store, out).save(results(store), described())
            (third,) = await saver(store, out).save(results(store), described())
        assert Path(again.path) == out / f"{STEM} (2).mp4" == Path(third.path)
        assert len(store.asked) == 2

    async def test_file_that_a_person_moved_behind_a_link_counts_as_saved(self, out: Path, tmp_path: Path) -> None:
        async with storing(whole(CLIP)) as store:
            (row,) = await saver(store, out).save(results(store), described())
            (out / f"{STEM}.mp4").rename(tmp_path / "archive.mp4")
            (out / f"{STEM}.mp4").symlink_to(tmp_path / "archive.mp4")
            (again,) = await saver(store, out).save(results(store), described())
        assert (again.path, len(store.asked)) == (row.path, 1)

    @pytest.mark.parametrize("calls", [2, 5])
    async def test_calls_at_the_same_time_end_in_one_file(self, out: Path, calls: int) -> None:
        async def slow(ask: Ask) -> None:
            await asyncio.sleep(0.2)
            await whole(CLIP)(ask)

        rows: list[SavedFile] = []
        async with storing(slow) as store:
            savers = [saver(store, out) for _ in range(calls)]

            async def one(made: ResultSaver) -> None:
                rows.extend(await made.save(results(store), described()))

            async with anyio.create_task_group() as group:
                for made in savers:
                    group.start_soon(one, made)
            assert len(store.asked) == 1
        assert {row.path for row in rows} == {str(out / f"{STEM}.mp4")}
        assert visible(out) == [f"{STEM}.json", f"{STEM}.mp4"]

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[]",
            "{}",
            "nonsense",
            "[" * 100_000,
            '{"kling_mcp": 1}',
            '{"kling_mcp": 1, "task_id": 880000000000000101, "index": 1, "file": "x.mp4"}',
            '{"kling_mcp": 1, "task_id": "880000000000000101", "index": 1, "file": "../x.mp4"}',
            '{"kling_mcp": 1, "task_id": "880000000000000101", "index": 1, "file": "/etc/passwd"}',
            '{"kling_mcp": 1, "task_id": "880000000000000101", "index": 1, "file": "\\u0000"}',
            '{"kling_mcp": 2, "task_id": "880000000000000101", "index": 1, "file": "x.mp4"}',
        ],
    )
    async def test_json_without_a_record_proves_nothing(self, out: Path, text: str) -> None:
        put(out / "x.json", text)
        put(out / "x.mp4")
        async with storing(whole(CLIP)) as store:
            (row,) = await saver(store, out).save(results(store), described())
        assert content(row) == CLIP

    @pytest.mark.parametrize("odd", ["1" + "0" * 400, "1e400", "-1", "NaN", '"long"', "[5]", "null"])
    @pytest.mark.parametrize("name", ["seconds", "mime_type"])
    async def test_odd_value_in_a_record_spoils_no_other_result(self, out: Path, name: str, odd: str) -> None:
        """Found by fuzzing: a whole number that is no float ended every save into the folder."""
        record = '{"kling_mcp": 1, "task_id": "7", "index": 1, "file": "x.mp4", "%s": %s}'
        put(out / "x.json", record % (name, odd))
        put(out / "x.mp4")
        async with storing(whole(CLIP)) as store:
            (row,) = await saver(store, out).save(results(store), described())
            ((known,),) = await saver(store, out).look([([], replace(described(), task_id="7"))])
        assert content(row) == CLIP
        assert known.path == str(out / "x.mp4")
        assert known.seconds == 0.0
        assert known.mime_type in {"video/mp4", "long"}


class TestFolderStaysClosed:
    @pytest.mark.parametrize(
        "save_as",
        [
            "../x",
            "..",
            "a/../../x",
            "a\\..\\..\\x",
            "/etc/x",
            "\\\\share\\x",
            "C:\\x",
            "c:x",
            "~/x",
            "~",
            "．．/x",
            ".\u200b./x",
            "a/b/c/d/e/f",
            "x" * 501,
            "???",
            "a/\u202e/b",
        ],
    )
    async def test_name_that_leads_out_is_refused_before_anything(self, out: Path, save_as: str) -> None:
        async with storing(whole(CLIP)) as store:
            with pytest.raises(InputError) as caught:
                await saver(store, out).save(results(store), described(save_as=save_as))
            with pytest.raises(InputError):
                await saver(store, out).require_save_as(save_as)
            assert store.asked == []
        (problem,) = caught.value.problems
        assert problem.argument == "save_as"
        assert problem.rule.startswith("must ")
        assert visible(out.parent) == []

    @pytest.mark.parametrize("save_as", ["door/x", "door/", "door", "rooms/door/x"])
    async def test_link_out_of_the_folder_is_refused(self, out: Path, tmp_path: Path, save_as: str) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        for place in (out, out / "rooms"):
            place.mkdir()
            (place / "door").symlink_to(outside)
        async with storing(whole(CLIP)) as store:
            if save_as == "door":  # a name that is free as a file is none of the link's business
                (row,) = await saver(store, out).save(results(store), described(save_as=save_as))
                assert Path(row.path) == out / "door.mp4"
            else:
                with pytest.raises(InputError, match="which is a link"):
                    await saver(store, out).require_save_as(save_as)
                with pytest.raises(InputError, match="which is a link"):
                    await saver(store, out).save(results(store), described(save_as=save_as))
        assert visible(outside) == []

    async def test_file_in_the_way_of_a_folder_is_named(self, out: Path) -> None:
        put(out / "notes")
        async with storing(whole(CLIP)) as store:
            with pytest.raises(InputError, match='"notes", which is a file'):
                await saver(store, out).save(results(store), described(save_as="notes/x"))

    async def test_folder_that_becomes_a_link_meanwhile_leads_nowhere(self, out: Path, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (out / "scenes").mkdir(parents=True)

        async def swap(ask: Ask) -> None:
            (out / "scenes").rmdir()
            (out / "scenes").symlink_to(outside)
            await whole(CLIP)(ask)

        async with storing(swap) as store:
            (row,) = await saver(store, out).save(results(store), described(save_as="scenes/x"))
        assert "which is a link" in error_of(row).message
        assert visible(outside) == []
        assert visible(out) == []

    async def test_link_in_place_of_the_hidden_file_is_not_followed(self, out: Path, tmp_path: Path) -> None:
        target = tmp_path / "precious"
        target.write_text("mine")

        async def look(ask: Ask) -> None:
            (hidden,) = visible(out)
            names.append(hidden)
            await status("400 Bad")(ask)

        names: list[str] = []
        async with storing(look) as store:
            await saver(store, out).save(results(store), described())
            (out / names[0]).symlink_to(target)
            store.answers = [whole(CLIP)]
            (row,) = await saver(store, out).save(results(store), described())
        assert names[0].startswith(".kling-mcp-")
        assert (content(row), target.read_text()) == (CLIP, "mine")
        assert visible(out) == [f"{STEM}.json", f"{STEM}.mp4"]


class TestFailures:
    async def test_failure_of_one_result_leaves_the_rest_saved(self, out: Path) -> None:
        async def by_name(ask: Ask) -> None:
            await (status("400 Bad") if "2.png" in ask.path else whole(png(64, 64)))(ask)

        async with storing(by_name) as store:
            made = saver(store, out)
            links = results(store, "1.png", "2.png", "3.png")
            rows = await made.save(links, described(kind="image"))
            assert [bool(row.path) for row in rows] == [True, False, True]
            assert error_of(rows[1]).retry == "later"
            store.answers, store.asked = [whole(png(64, 64))], []
            rows = await made.save(links, described(kind="image"))
            assert [ask.path.partition("?")[0] for ask in store.asked] == ["/2.png"]
        assert [Path(row.path).stem[-2:] for row in rows] == ["-1", "-2", "-3"]

    async def test_link_that_ended_long_ago_is_not_opened(self, out: Path) -> None:
        async with storing(whole(CLIP)) as store:
            ended = Result(f"{store.url}/a.mp4?Expires=1700000000")
            by_rule = Result(f"{store.url}/b.mp4")
            rows = await saver(store, out).save([ended, by_rule], described(updated_at=1_600_000_000_000))
            assert store.asked == []
        assert "ended on 2023-11-14 22:13:20 UTC" in error_of(rows[0]).message
        assert "ended on 2020-10-13 12:26:40 UTC" in error_of(rows[1]).message
        assert {error_of(row).last_line() for row in rows} == {
            "kind=not_found created=yes retry=never code=- request_id=-"
        }
        assert rows[0].expires_at == "2023-11-14T22:13:20.000Z"

    async def test_link_elsewhere_is_not_opened(self, out: Path) -> None:
        async with storing(whole(CLIP)) as store:
            (row,) = await saver(store, out).save([Result("https://evil.example/a.mp4")], described())
        assert (error_of(row).kind, row.url) == ("vendor_fault", "https://evil.example/a.mp4")
        assert visible(out) == []

    @pytest.mark.parametrize("where", ["gone/away/disk/out", "file/out", "file"])
    async def test_missing_folder_is_named_with_what_to_do(self, tmp_path: Path, where: str) -> None:
        (tmp_path / "file").write_text("mine")
        async with storing(whole(CLIP)) as store:
            rows = await saver(store, tmp_path / where).save(results(store, "a.mp4", "b.mp4"), described())
        for error in map(error_of, rows):
            assert (error.kind, error.retry) == ("bad_input", "later")
            assert where in error.message
            assert "KLING_MCP_OUTPUT_DIR" in error.advice
        assert [row.url for row in rows] == [store.link("a.mp4"), store.link("b.mp4")]
        assert not (tmp_path / "gone").exists()

    async def test_disk_that_is_missing_does_not_spoil_the_check_of_a_name(self, tmp_path: Path) -> None:
        async with storing(whole(CLIP)) as store:
            for folder in (None, tmp_path / "gone" / "away" / "out"):
                await saver(store, folder).require_save_as("scenes/kitchen")
        assert visible(tmp_path) == []

    @pytest.mark.skipif(not Path("/proc/self").exists(), reason="a folder that refuses even the superuser")
    async def test_folder_that_refuses_files_is_named(self) -> None:
        async with storing(whole(CLIP)) as store:
            (row,) = await saver(store, Path("/proc/self")).save(results(store), described())
        assert (error_of(row).kind, error_of(row).retry) == ("bad_input", "later")
        assert "/proc/self" in error_of(row).message

    async def test_output_that_is_off_leaves_links_alone(self) -> None:
        async with storing(whole(CLIP)) as store:
            rows = await saver(store, None).save(results(store, "a.mp4", "b.bin"), described(save_as="../x"))
            assert store.asked == []
        assert [(row.path, row.mime_type, row.seconds, row.error) for row in rows] == [
            ("", "video/mp4", 5.0, None),
            ("", "video/mp4", 0.0, None),
        ]
        assert asdict(rows[0]).keys() > {"path", "url", "expires_at", "mime_type", "seconds", "bytes"}

    async def test_call_that_is_cancelled_leaves_nothing_half_done(self, out: Path) -> None:
        async def hang(ask: Ask) -> None:
            await ask.say(CLIP[:2000], Content_Length=len(CLIP))
            await asyncio.sleep(60)

        async with storing(hang) as store:
            async with anyio.create_task_group() as group:
                group.start_soon(saver(store, out).save, results(store), described())
                await until(lambda: bool(store.asked))
                group.cancel_scope.cancel()
            assert visible(out) == []
            store.answers = [whole(CLIP)]
            (row,) = await saver(store, out).save(results(store), described())
        assert content(row) == CLIP
