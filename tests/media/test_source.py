"""One picture argument is a link, bytes in the text, or a path; everything else gets a way out."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from urllib.parse import quote

import pytest
from work import counted_work

from kling_mcp.api.limits import MAX_IMAGE_BYTES
from kling_mcp.errors import InputError, Problem
from kling_mcp.media.policy import MediaPolicy
from kling_mcp.media.source import Inline, Link, LocalPath, parse_source
from media import pictures

POLICY = MediaPolicy(allowed_dirs=(Path("/srv/pictures"),))


def refusal(text: str, *, windows: bool = False, policy: MediaPolicy = POLICY) -> Problem:
    with pytest.raises(InputError) as caught:
        parse_source(text, "frontal_image", policy, windows=windows)
    (problem,) = caught.value.problems
    assert problem.argument == "frontal_image"
    assert "\n" not in str(problem)
    return problem


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/srv/pictures/mia.png", "/srv/pictures/mia.png"),
        ("mia.png", "mia.png"),
        ("~/mia.png", "~/mia.png"),
        ("/srv/pictures/mia at work.png", "/srv/pictures/mia at work.png"),
        ("/srv/pictures/米娅.png", "/srv/pictures/米娅.png"),
        ("  /srv/pictures/mia.png\n", "/srv/pictures/mia.png"),
        ('"/srv/pictures/mia.png"', "/srv/pictures/mia.png"),
        ("'\"/srv/pictures/mia.png\" '", "/srv/pictures/mia.png"),
        ("“/srv/pictures/mia.png”", "/srv/pictures/mia.png"),
        ("</srv/pictures/mia.png>", "/srv/pictures/mia.png"),
        ("file:///srv/pictures/mia.png", "/srv/pictures/mia.png"),
        ("FILE:///srv/pictures/mia.png", "/srv/pictures/mia.png"),
        ("file:/srv/pictures/mia.png", "/srv/pictures/mia.png"),
        ("file://localhost/srv/pictures/mia.png", "/srv/pictures/mia.png"),
        ("file:///srv/pictures/mia%20at%20work.png", "/srv/pictures/mia at work.png"),
        ("file:///srv/%E7%B1%B3%E5%A8%85.png", "/srv/米娅.png"),
        ("file:///srv/take #2?.png", "/srv/take #2?.png"),
        ("file:///srv/100%.png", "/srv/100%.png"),
        ("/srv/a:b.png", "/srv/a:b.png"),
        ("a:b.png", "a:b.png"),
        ("scene:1.png", "scene:1.png"),
        ("/srv/my..photo.png", "/srv/my..photo.png"),
    ],
)
def test_every_way_to_write_a_local_path_names_the_same_file(text: str, path: str) -> None:
    assert parse_source(text, "frontal_image", POLICY, windows=False) == LocalPath(path)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (r"C:\Users\Mia\front view.png", r"C:\Users\Mia\front view.png"),
        ("C:/Users/Mia/front.png", "C:/Users/Mia/front.png"),
        (r"pictures\front.png", r"pictures\front.png"),
        (r"~\front.png", r"~\front.png"),
        (r'"C:\Users\Mia\front.png"', r"C:\Users\Mia\front.png"),
        ("file:///C:/Users/Mia/front%20view.png", "C:/Users/Mia/front view.png"),
        ("file:///c%3A/Users/Mia/front.png", "c:/Users/Mia/front.png"),
        ("file://localhost/C:/Users/front.png", "C:/Users/front.png"),
        ("file://C:/Users/front.png", "C:/Users/front.png"),
        (r"file:///C:\Users\front.png", "C:/Users/front.png"),
    ],
)
def test_windows_paths_are_understood_on_windows(text: str, path: str) -> None:
    assert parse_source(text, "frontal_image", POLICY, windows=True) == LocalPath(path)


@pytest.mark.parametrize(
    "text",
    [r"C:\Users\Mia\front.png", "c:/Users/Mia/front.png", r"\\nas\pictures\front.png", "file:///C:/Users/front.png"],
)
def test_windows_path_on_another_system_is_no_missing_file(text: str) -> None:
    problem = refusal(text)
    assert "must not be a Windows path, because this server runs on Linux or macOS" in problem.rule
    assert "/srv/pictures" in problem.fix
    assert "https link" in problem.fix


def test_unix_path_on_windows_is_no_missing_file() -> None:
    assert (
        "must not be a Linux or macOS path, because this server runs on Windows"
        in refusal("/home/mia/x.png", windows=True).rule
    )


@pytest.mark.parametrize("text", [r"\\nas\share\x.png", r"\\?\C:\x.png", r"\\.\COM1", "//nas/share/x.png"])
def test_network_shares_and_devices_are_not_opened_on_windows(text: str) -> None:
    assert "network share or a device path" in refusal(text, windows=True).rule


def test_a_drive_without_a_backslash_is_refused_on_windows() -> None:
    assert "backslash after the colon" in refusal("C:front.png", windows=True).rule


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        ("../secret.png", False),
        ("/srv/pictures/../../etc/passwd", False),
        ("file:///srv/pictures/%2e%2e/secret.png", False),
        ("file:///srv/pictures%2F..%2Fsecret.png", False),
        ("~/..", False),
        (r"C:\pictures\..\secret.png", True),
        ("C:/pictures/../secret.png", True),
    ],
)
def test_a_path_that_climbs_is_refused(text: str, *, windows: bool) -> None:
    assert '".."' in refusal(text, windows=windows).rule


@pytest.mark.parametrize(
    "text",
    [
        "sandbox:/mnt/data/mia.png",
        "attachment:mia.png",
        "attachment://mia.png",
        "blob:https://chat.example.com/1f0c",
        "cid:part1.mia@example.com",
        "content://media/external/images/7",
        "ph://ABCD-EF/L0/001",
    ],
)
def test_a_link_into_the_chat_gets_a_way_out(text: str) -> None:
    problem = refusal(text)
    assert "chat's own sandbox" in problem.rule
    assert "/srv/pictures" in problem.fix


def test_a_chat_path_on_windows_is_a_chat_path_first() -> None:
    assert "chat's own sandbox" in refusal("/mnt/user-data/uploads/mia.png", windows=True).rule


def test_the_way_out_names_no_folder_where_local_files_are_off() -> None:
    fix = refusal("sandbox:/mnt/data/mia.png", policy=MediaPolicy()).fix
    assert "folder" not in fix
    assert "https link" in fix


def test_the_way_out_stays_short_with_many_folders() -> None:
    folders = tuple(Path(f"/srv/f{number}") for number in range(40))
    fix = refusal("blob:x", policy=MediaPolicy(allowed_dirs=folders)).fix
    assert '"/srv/f5" and 34 more' in fix


def test_an_https_link_is_passed_on_untouched() -> None:
    link = "HTTPS://cdn.example.com/mia%20front.png?sig=Ab%2Fc#x"
    assert parse_source(f" {link} ", "frontal_image", POLICY) == Link(link)


@pytest.mark.parametrize(
    "text",
    ["ftp://host/x.png", "s3://bucket/x.png", "gs://bucket/x.png", "www.example.com/x.png", "chrome://x/y.png"],
)
def test_unsupported_kinds_of_link_are_refused_with_the_four_forms(text: str) -> None:
    assert "a local path, a file: URI, an https link or a data: URI" in refusal(text).rule


def test_http_is_refused() -> None:
    assert "must be https" in refusal("http://cdn.example.com/x.png").rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "one of"),
        ("  ' ' ", "a local path"),
        ("/srv/a\0b.png", "control characters"),
        ("/srv/a\nb.png", "control characters"),
        ("/srv/\ud800.png", "control characters"),
        ("file:///srv/a%00b.png", "control characters"),
        ("file:///srv/%FF.png", "percent-encoded UTF-8"),
        ("file:mia.png", "full path on this computer"),
        ("file://nas/share/mia.png", "full path on this computer"),
        ("file:", "full path on this computer"),
        ("/srv/" + "x. " * 2000, "at most 4096 characters"),
    ],
)
def test_texts_that_are_no_path_anywhere_are_refused(text: str, rule: str) -> None:
    problem = refusal(text)
    assert rule in problem.rule + problem.fix
    assert len(str(problem)) < 700


PICTURE = pictures.png(300, 300)


@pytest.mark.parametrize(
    "uri",
    [
        pictures.data_uri(PICTURE),
        pictures.data_uri(PICTURE).replace("data:image/png;base64", "DATA:;BASE64"),
        pictures.data_uri(PICTURE).replace(",", ", \n"),
        pictures.data_uri(PICTURE).rstrip("="),
        f'"{pictures.data_uri(PICTURE)}"',
        "data:image/png;base64," + quote(base64.b64encode(PICTURE).decode(), safe=""),
        "data:image/png;base64," + base64.urlsafe_b64encode(PICTURE).decode(),
        "data:image/png," + quote(PICTURE, safe=""),
    ],
)
def test_a_data_uri_gives_back_its_bytes_however_it_is_encoded(uri: str) -> None:
    assert parse_source(uri, "frontal_image", POLICY) == Inline(PICTURE)


@pytest.mark.parametrize(
    ("uri", "rule"),
    [
        ("data:image/png;base64", "comma"),
        ("data:image/png;base64,not*base64*at*all", "valid Base64"),
        ("data:image/png;base64,AAAAA", "valid Base64"),
        ("data:image/png;base64,米娅米娅", "valid Base64"),
        ("data:image/png;base64," + "A" * (MAX_IMAGE_BYTES * 4 + 2000), f"{MAX_IMAGE_BYTES} bytes"),
    ],
)
def test_a_broken_data_uri_is_refused_without_repeating_it(uri: str, rule: str) -> None:
    problem = refusal(uri)
    assert rule in problem.rule
    assert problem.actual == f"a data: URI of {len(uri)} characters"


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(pictures.jpeg(300, 300)).decode(),
        base64.b64encode(PICTURE).decode(),
        base64.b64encode(PICTURE).decode()[:60],
        base64.encodebytes(pictures.jpeg(300, 300)).decode(),
        base64.b64encode(pictures.other("WEBP") * 4).decode(),
    ],
)
def test_bare_base64_is_not_taken_for_a_file_name(text: str) -> None:
    problem = refusal(text)
    assert "bare Base64" in problem.actual
    assert "data:image/" in problem.fix
    assert text[:24] not in str(problem)


def test_a_short_path_that_starts_like_base64_is_still_a_path() -> None:
    assert parse_source("/9j/mia", "frontal_image", POLICY, windows=False) == LocalPath("/9j/mia")
    name = "iVBORw0KGgo-the-story-of-a-magic-number.png"
    assert parse_source(name, "frontal_image", POLICY, windows=False) == LocalPath(name)


@pytest.mark.parametrize(
    "text",
    [
        "http:" + ":" * 1_000_000,
        "https://" + "@" * 1_000_000,
        '"' * 1_000_000,
        "A" + " " * 1_000_000 + "!",
        "data:" + "; " * 500_000,
        "../" * 400_000,
        "~" * 1_000_000,
        "\u200b" * 1_000_000,
        "\u200b" * 1_000_000 + "/a.png" + " \u200b" * 1_000_000,
        "data:" + ";base64 " * 500_000 + ",",
        "data:image/png;base64," + "%41" * 1_000_000,
        "data:image/png," + "%41" * 1_000_000,
        "data:image/png;base64," + "A " * 1_000_000 + "!",
        "A" * 1_000_000 + "!",
        "/9j/" + "A" * 1_000_000 + "!",
        "file:///" + "%41" * 1_000_000,
        "/" + "a\u0323\u0301" * 1_000_000,
    ],
    ids=lambda text: repr(text[:30]),
)
def test_a_huge_text_is_answered_as_fast_as_a_short_one(text: str) -> None:
    with counted_work() as work:
        problem = refusal(text)
    assert work.calls < 10_000
    assert len(str(problem)) < 700


def test_line_ends_and_percent_signs_of_a_large_picture_are_decoded() -> None:
    data = PICTURE + os.urandom(3_000_000)
    lines = base64.encodebytes(data).decode()
    for written in (lines, quote(base64.b64encode(data).decode())):
        with counted_work() as work:
            assert parse_source(f"data:image/png;base64,{written}", "frontal_image", POLICY) == Inline(data)
        assert work.calls < 1_000_000
