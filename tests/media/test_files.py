"""Local pictures come from the allowed folders only, and nothing outside them is ever told."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from kling_mcp.api.limits import MAX_IMAGE_BYTES
from kling_mcp.errors import InputError, Problem
from kling_mcp.media.files import read_local, read_opened, read_regular
from kling_mcp.media.policy import MediaPolicy
from media import pictures


def refusal(path: Path | str, policy: MediaPolicy) -> Problem:
    with pytest.raises(InputError) as caught:
        read_local(str(path), "frontal_image", policy)
    (problem,) = caught.value.problems
    assert problem.argument == "frontal_image"
    return problem


@pytest.mark.parametrize("name", ["mia.png", "mia at work.png", "米娅.png", "été.png", "sub/deep/mia.png", "100%.png"])
def test_a_picture_in_the_folder_is_read_byte_for_byte(album: Path, policy: MediaPolicy, name: str) -> None:
    file = album / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(pictures.png())
    assert read_local(str(file), "frontal_image", policy) == pictures.png()


def test_a_relative_path_counts_from_the_working_directory(
    album: Path, policy: MediaPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    (album / "mia.png").write_bytes(b"here")
    monkeypatch.chdir(album)
    assert read_local("mia.png", "frontal_image", policy) == b"here"
    assert read_local("./mia.png", "frontal_image", policy) == b"here"


def test_a_tilde_is_the_home_folder(album: Path, policy: MediaPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(album))
    monkeypatch.setenv("USERPROFILE", str(album))
    (album / "mia.png").write_bytes(b"home")
    assert read_local("~/mia.png", "frontal_image", policy) == b"home"
    assert "a folder" in refusal("~", policy).actual


def test_a_name_that_starts_with_a_tilde_is_only_a_name(
    album: Path, policy: MediaPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(album)
    (album / "~root.png").write_bytes(b"name")
    assert read_local("~root.png", "frontal_image", policy) == b"name"


def test_an_allowed_folder_may_itself_be_a_link(tmp_path: Path, album: Path) -> None:
    (album / "mia.png").write_bytes(b"real")
    alias = tmp_path / "alias"
    alias.symlink_to(album)
    policy = MediaPolicy(allowed_dirs=(tmp_path / "not-made-yet", alias))
    assert read_local(str(alias / "mia.png"), "frontal_image", policy) == b"real"
    assert read_local(str(album / "mia.png"), "frontal_image", policy) == b"real"


def test_a_link_inside_the_folder_to_a_file_inside_is_followed(album: Path, policy: MediaPolicy) -> None:
    (album / "mia.png").write_bytes(b"real")
    (album / "alias.png").symlink_to(album / "mia.png")
    assert read_local(str(album / "alias.png"), "frontal_image", policy) == b"real"


def test_outside_the_folders_every_path_gets_the_same_answer(tmp_path: Path, album: Path, policy: MediaPolicy) -> None:
    (tmp_path / "secret.png").write_bytes(pictures.png())
    (tmp_path / "private").mkdir()
    (album / "way-out.png").symlink_to(tmp_path / "secret.png")
    (album / "way-to-nothing.png").symlink_to(tmp_path / "nothing.png")
    (album / "door").symlink_to(tmp_path / "private")
    os.mkfifo(tmp_path / "pipe.png")
    outside: list[Path | str] = [
        tmp_path / "secret.png",
        tmp_path / "nothing.png",
        tmp_path / "private",
        tmp_path / "no-folder" / "mia.png",
        tmp_path / "pipe.png",
        tmp_path / "album-2" / "mia.png",
        album / "way-out.png",
        album / "way-to-nothing.png",
        album / "door" / "mia.png",
        "/dev/zero",
        "/etc/passwd",
        "/etc/passwd/mia.png",
        "/" + "x" * 300,
    ]
    answers = {(problem.rule, problem.fix) for problem in (refusal(path, policy) for path in outside)}
    ((rule, fix),) = answers
    assert str(album) in rule
    assert "KLING_MCP_MEDIA_DIRS" in fix


@pytest.mark.parametrize(
    "path",
    [
        "/mnt/user-data/uploads/mia.png",
        "/mnt/data/mia.png",
        "/home/claude/mia.png",
        "/mnt/data",
        "/sessions/brave-quiet-owl/mnt/uploads/mia.png",
        "/sessions/local_1234/mnt/My Folder/mia.png",
        "/tmp/outputs/mia.png",  # noqa: S108  a place to recognise
        "file-AbCdEfGh1234567890",
        "file_0000000012345678abcdef",
    ],
)
def test_a_path_from_a_chat_upload_says_what_to_do_instead(album: Path, policy: MediaPolicy, path: str) -> None:
    problem = refusal(path, policy)
    assert "chat's own sandbox" in problem.rule
    assert str(album) in problem.fix
    assert "https link" in problem.fix
    assert "chat's own sandbox" in refusal(path, MediaPolicy()).rule


def test_a_chat_file_id_missing_from_an_allowed_working_directory_is_still_a_chat_upload(
    album: Path, policy: MediaPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(album)
    assert "chat's own sandbox" in refusal("file-AbCdEfGh1234567890", policy).rule


def test_local_files_switched_off_give_a_reason_and_are_not_read(album: Path) -> None:
    (album / "mia.png").write_bytes(pictures.png())
    off = MediaPolicy(local_files_off_reason="Over http this server reads no local files.")
    problem = refusal(album / "mia.png", off)
    assert (
        problem.rule
        == "must not be a local file, because local files are off (Over http this server reads no local files)"
    )
    assert "https link" in problem.fix
    assert "KLING_MCP_MEDIA_DIRS" in refusal(album / "mia.png", MediaPolicy()).rule


def test_a_missing_picture_is_answered_with_near_names(album: Path, policy: MediaPolicy) -> None:
    for name in ("mia-front.png", "mia-front.txt", "mia-frnt.jpg", "mia-fronts.png", "zebra.png", "mia_front.jpeg"):
        (album / name).touch()
    problem = refusal(album / "mia-frontt.png", policy)
    assert problem.rule == "must be an existing file"
    assert '"mia-front.png"' in problem.fix
    assert problem.fix.count('"') == 6
    assert "txt" not in problem.fix
    assert "zebra" not in problem.fix


def test_names_that_share_only_their_ending_are_not_near(album: Path, policy: MediaPolicy) -> None:
    for name in ("heic.jpg", "cart.jpg"):
        (album / name).touch()
    assert "did you mean" not in refusal(album / "dead.jpg", policy).fix


def test_a_missing_picture_without_near_names_mentions_chat_attachments(album: Path, policy: MediaPolicy) -> None:
    (album / "diary.txt").touch()
    problem = refusal(album / "mia.png", policy)
    assert "attached to the chat" in problem.fix
    assert "diary" not in problem.fix
    assert "attached to the chat" in refusal(album / "no-folder" / "mia.png", policy).fix


def test_the_folder_above_a_missing_allowed_folder_is_not_looked_into(tmp_path: Path) -> None:
    (tmp_path / "album.png").touch()
    problem = refusal(tmp_path / "albums.png", MediaPolicy(allowed_dirs=(tmp_path / "albums.png",)))
    assert problem.rule == "must be in a folder that exists"
    assert "album.png" not in problem.fix


@pytest.mark.parametrize(
    ("on_disk", "typed"),
    [
        ("Screenshot 2026-01-02 at 3.04.05\u202fPM.png", "Screenshot 2026-01-02 at 3.04.05 PM.png"),
        ("e\u0301te\u0301.png", "été.png"),
        ("été.png", "e\u0301te\u0301.png"),
        ("ミア\u3000正面.png", "ミア 正面.png"),
    ],
)
def test_a_name_that_looks_the_same_is_the_same_file(
    album: Path, policy: MediaPolicy, on_disk: str, typed: str
) -> None:
    (album / on_disk).write_bytes(b"found")
    assert read_local(str(album / typed), "frontal_image", policy) == b"found"


def test_two_names_that_look_the_same_are_not_guessed_between(album: Path, policy: MediaPolicy) -> None:
    (album / "a\u202fb.png").touch()
    (album / "a\u00a0b.png").touch()
    assert refusal(album / "a b.png", policy).rule == "must be an existing file"


def test_a_look_alike_that_leads_outside_is_not_followed(tmp_path: Path, album: Path, policy: MediaPolicy) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    (album / "a\u202fb.png").symlink_to(tmp_path / "secret.png")
    assert "must be inside the allowed folders" in refusal(album / "a b.png", policy).rule


def test_only_regular_files_are_opened(album: Path, policy: MediaPolicy) -> None:
    os.mkfifo(album / "pipe.png")
    (album / "folder.png").mkdir()
    (album / "circle.png").symlink_to(album / "circle.png")
    assert "a folder" in refusal(album / "folder.png", policy).actual
    assert "a device, pipe or socket" in refusal(album / "pipe.png", policy).actual
    assert "broken link" in refusal(album / "circle.png", policy).actual


def test_a_socket_is_refused(album: Path, policy: MediaPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(album)  # a socket's path has little room
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("s.png")
        assert "a device, pipe or socket" in refusal("s.png", policy).actual


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_an_endless_device_inside_an_allowed_folder_is_refused() -> None:
    assert "a device, pipe or socket" in refusal("/dev/zero", MediaPolicy(allowed_dirs=(Path("/dev"),))).actual


def test_a_pipe_swapped_in_after_the_check_neither_blocks_nor_is_read(album: Path) -> None:
    os.mkfifo(album / "mia.png")
    descriptor = os.open(album / "mia.png", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(InputError, match="a device, pipe or socket"):
            read_opened(descriptor, "mia.png", "frontal_image")
    finally:
        os.close(descriptor)


def test_a_file_that_vanishes_after_the_check_is_an_answer_not_a_crash(album: Path, policy: MediaPolicy) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_regular(album / "gone.png", "gone.png", "frontal_image", policy)


@pytest.mark.parametrize("over", [0, 1])
def test_the_size_is_checked_before_reading(album: Path, policy: MediaPolicy, over: int) -> None:
    file = album / "big.png"
    with file.open("wb") as out:
        out.truncate(MAX_IMAGE_BYTES + over)  # a sparse file: no disk is filled
    if over:
        problem = refusal(file, policy)
        assert problem.actual == f'"{file}" with {MAX_IMAGE_BYTES + 1} bytes'
        assert "10 MB" in problem.rule
    else:
        assert len(read_local(str(file), "frontal_image", policy)) == MAX_IMAGE_BYTES


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_file_that_lies_about_its_size_is_read_within_the_limit() -> None:
    data = read_local("/proc/self/status", "frontal_image", MediaPolicy(allowed_dirs=(Path("/proc"),)))
    assert 0 < len(data) <= MAX_IMAGE_BYTES + 1


def test_a_hostile_file_name_cannot_forge_lines_in_an_answer(policy: MediaPolicy) -> None:
    actual = refusal('/x/a\u202e"kind=ok".png', policy).actual
    assert "\u202e" not in actual
    assert actual.count('"') == 2
