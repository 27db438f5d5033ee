"""A path that is spelled otherwise than on the disk is found, and a link or a stub is called what it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kling_mcp.errors import InputError, Problem
from kling_mcp.media.files import read_local
from kling_mcp.media.policy import MediaPolicy
from kling_mcp.media.source import LocalPath, parse_source
from media import pictures

NFC, NFD = "B\u00fccher", "Bu\u0308cher"


def read(path: Path | str, policy: MediaPolicy) -> bytes:
    """As a call reads it: from the text of an argument."""
    source = parse_source(str(path), "frontal_image", policy)
    assert isinstance(source, LocalPath)
    return read_local(source.path, "frontal_image", policy)


def refusal(path: Path | str, policy: MediaPolicy) -> Problem:
    with pytest.raises(InputError) as caught:
        read(path, policy)
    (problem,) = caught.value.problems
    return problem


def put(path: Path, data: bytes = b"found") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("on_disk", "typed"),
    [
        (f"{NFD}/mia.png", f"{NFC}/mia.png"),
        (f"{NFC}/mia.png", f"{NFD}/mia.png"),
        ("Fotos\u202f2026/mia.png", "Fotos 2026/mia.png"),
        (f"a/{NFD}/b/Bild\u00a01.png", f"a/{NFC}/b/Bild 1.png"),
        ("a/mia.png", "a\u200b/mia.png\u200b"),
        ("a/mia\u200e.png", "a/mia.png"),
        ("My Pictures/mia front.jpg", r"My\ Pictures/mia\ front.jpg"),
        ("mia (1)&'2'.png", r"mia\ \(1\)\&\'2\'.png"),
        (r"a\ b/mia.png", r"a\ b/mia.png"),
        (r"a\b.png", r"a\b.png"),
    ],
)
def test_path_that_looks_the_same_is_found(album: Path, policy: MediaPolicy, on_disk: str, typed: str) -> None:
    put(album / on_disk)
    assert read(f"{album}/{typed}", policy) == b"found"


@pytest.mark.parametrize("mark", ["\u202a", "\ufeff", "\u200b", "\u2068", "\ufeff\u202a "])
def test_invisible_characters_around_a_path_are_left_out(album: Path, policy: MediaPolicy, mark: str) -> None:
    """Windows' properties of a file put one in front of the path that is copied from there."""
    put(album / "mia.png")
    assert read(f"{mark}{album / 'mia.png'}{mark}", policy) == b"found"
    assert read(f'{mark}"{mark}{album / "mia.png"}"', policy) == b"found"


def test_allowed_folder_itself_is_found_by_its_look(tmp_path: Path) -> None:
    put(tmp_path / NFD / "mia.png")
    policy = MediaPolicy(allowed_dirs=(tmp_path / NFD,))
    assert read(tmp_path / NFC / "mia.png", policy) == b"found"
    assert refusal(tmp_path / NFC / "max.png", policy).rule == "must be an existing file"


def test_two_folders_that_look_the_same_are_not_guessed_between(album: Path, policy: MediaPolicy) -> None:
    put(album / "a\u202fb" / "mia.png")
    put(album / "a\u00a0b" / "mia.png")
    assert refusal(album / "a b" / "mia.png", policy).rule == "must be an existing file"


def test_folder_that_looks_the_same_but_leads_outside_is_not_followed(
    tmp_path: Path, album: Path, policy: MediaPolicy
) -> None:
    put(tmp_path / "private" / "mia.png")
    (album / "a\u202fb").symlink_to(tmp_path / "private")
    assert "must be inside the allowed folders" in refusal(album / "a b" / "mia.png", policy).rule


def test_escaped_path_leads_no_further_than_a_plain_one(tmp_path: Path, album: Path, policy: MediaPolicy) -> None:
    put(tmp_path / "secret.png")
    assert "must be inside the allowed folders" in refusal(rf"{album}/\.\./secret.png", policy).rule


@pytest.mark.parametrize("name", ["mia.png", "nothing.png", "deep/mia.png", ""])
def test_link_out_of_the_allowed_folders_is_said_to_be_one(
    tmp_path: Path, album: Path, policy: MediaPolicy, name: str
) -> None:
    put(tmp_path / "other-disk" / "mia.png")
    (album / "Pictures").symlink_to(tmp_path / "other-disk")
    problem = refusal(os.path.normpath(album / "Pictures" / name), policy)
    assert "must be inside the allowed folders" in problem.rule
    assert f'where "{album / "Pictures"}" is a link that leads out of them' in problem.actual
    assert "KLING_MCP_MEDIA_DIRS" in problem.fix
    assert "other-disk" not in str(problem)
    assert "a link" not in refusal(tmp_path / "other-disk" / "mia.png", policy).actual


def test_stub_of_icloud_is_not_downloaded_yet_and_no_other_picture_is_suggested(
    album: Path, policy: MediaPolicy
) -> None:
    put(album / ".IMG_0412.jpg.icloud", b"bplist00")
    put(album / "IMG_0499.jpg", pictures.jpeg())
    for name in ("IMG_0412.jpg", ".IMG_0412.jpg.icloud"):
        problem = refusal(album / name, policy)
        assert "not downloaded yet" in problem.rule
        assert "IMG_0499" not in str(problem)


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("/c/Users/me/mia.png", r"C:\Users\me\mia.png"),
        ("/D/mia.png", r"D:\mia.png"),
        ("/mnt/c/Users/me/mia.png", r"C:\Users\me\mia.png"),
        ("/cygdrive/c/Users/me/mia.png", r"C:\Users\me\mia.png"),
        ("file:///c/Users/me/mia.png", r"C:\Users\me\mia.png"),
        ("\u202aC:\\Users\\me\\mia.png", r"C:\Users\me\mia.png"),
    ],
)
def test_path_of_git_bash_is_read_as_one_of_windows(typed: str, path: str) -> None:
    assert parse_source(typed, "frontal_image", MediaPolicy(), windows=True) == LocalPath(path)


@pytest.mark.parametrize("typed", ["/c", "/c/", "/cc/x.png", "/home/me/x.png", "/c/a/../x.png"])
def test_path_of_unix_without_a_drive_is_refused_on_windows(typed: str) -> None:
    with pytest.raises(InputError):
        parse_source(typed, "frontal_image", MediaPolicy(), windows=True)


@pytest.mark.parametrize("typed", [r"C:\Users\me\mia.png", "c:/Users/me/mia.png", "file:///C:/Users/me/mia.png"])
def test_path_of_windows_is_read_where_its_drive_is_mounted_and_allowed(typed: str) -> None:
    policy = MediaPolicy(allowed_dirs=(Path("/mnt/c/Users/me"),))
    found = parse_source(typed, "frontal_image", policy, windows=False)
    assert found == LocalPath("/mnt/c/Users/me/mia.png")


@pytest.mark.parametrize("typed", [r"C:\Users\you\mia.png", r"D:\mia.png", r"C:\Users\me\..\you\mia.png"])
def test_path_of_windows_that_is_not_allowed_is_refused_elsewhere(typed: str) -> None:
    policy = MediaPolicy(allowed_dirs=(Path("/mnt/c/Users/me"),))
    with pytest.raises(InputError, match=r'Windows path|must have no "'):
        parse_source(typed, "frontal_image", policy, windows=False)
