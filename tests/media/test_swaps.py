"""A folder that becomes a link at any moment of a call leads to nothing outside of the allowed folders."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from kling_mcp.errors import InputError
from kling_mcp.media.beneath import MovedError, names_in, reached
from kling_mcp.media.files import read_local
from kling_mcp.media.policy import MediaPolicy

INSIDE, OUTSIDE = b"inside", b"outside CANARY"
AT_THE_BOUNDARY = ("open", "stat", "lstat", "readlink", "scandir", "fstat")

Swap = Callable[[], None]


class Turnstile:
    """The system's calls, before which a swap happens: before the second and third, say."""

    def __init__(self, swap: Swap, moments: Collection[int]) -> None:
        self.calls = 0
        self._swap = swap
        self._moments = moments

    @contextmanager
    def turning(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for name in AT_THE_BOUNDARY:
                patch.setattr(os, name, self._turned(getattr(os, name)))
            yield

    def _turned(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            if self.calls in self._moments:
                self.calls += 1
                with pytest.MonkeyPatch.context() as plain:
                    for name, own in REAL.items():
                        plain.setattr(os, name, own)
                    self._swap()
            else:
                self.calls += 1
            return real(*args, **kwargs)

        return called


REAL = {name: getattr(os, name) for name in AT_THE_BOUNDARY}


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    for name in ("mia.png", "mia-2.png", "CANARY.png"):
        (folder / name).write_bytes(OUTSIDE)
    return folder


@pytest.fixture
def sub(album: Path) -> Path:
    folder = album / "sub"
    folder.mkdir()
    (folder / "mia.png").write_bytes(INSIDE)
    return folder


def swapping(path: Path, target: Path) -> Swap:
    """Exchange what has this name for a link to `target`, and back again."""

    def swap() -> None:
        spare = path.with_name("spare")
        if path.is_symlink():
            path.unlink()
            spare.rename(path)
        else:
            path.rename(spare)
            path.symlink_to(target)

    return swap


def undisturbed(path: Path, policy: MediaPolicy) -> int:
    """How many calls of the system a reading takes."""
    counted = Turnstile(lambda: None, ())
    with counted.turning(), suppress(InputError):
        read_local(str(path), "frontal_image", policy)
    return counted.calls


def answer(path: Path, policy: MediaPolicy, swap: Swap, moments: Collection[int]) -> str:
    """What a caller gets; an error of another kind passes through."""
    with Turnstile(swap, moments).turning():
        try:
            return read_local(str(path), "frontal_image", policy).decode()
        except InputError as error:
            return error.for_caller()


@pytest.mark.parametrize(
    ("wanted", "swapped"),
    [
        ("sub/mia.png", "sub"),
        ("sub/mia.png", "sub/mia.png"),
        ("sub/mia-3.png", "sub"),
        ("alias.png", "sub"),
        ("alias.png", "sub/mia.png"),
    ],
)
@pytest.mark.usefixtures("sub")
def test_swap_before_any_call_of_the_system_never_shows_what_is_outside(
    album: Path, outside: Path, policy: MediaPolicy, wanted: str, swapped: str
) -> None:
    (album / "alias.png").symlink_to(album / "sub" / "mia.png")
    swap = swapping(album / swapped, outside if swapped == "sub" else outside / "mia.png")
    calls = undisturbed(album / wanted, policy)
    there_and_back = ((one, one + later) for one in range(calls) for later in range(1, 5))
    seen = set()
    for moments in [*((one,) for one in range(calls)), *there_and_back]:
        said = answer(album / wanted, policy, swap, moments)
        assert "CANARY" not in said, moments
        assert said == INSIDE.decode() or "kind=bad_input created=no" in said
        seen.add(said == INSIDE.decode())
        if (album / swapped).is_symlink():
            swap()
    assert seen == ({True, False} if wanted != "sub/mia-3.png" else {False})


def test_swapped_folder_is_refused_in_a_sentence(sub: Path, outside: Path, policy: MediaPolicy) -> None:
    calls = undisturbed(sub / "mia.png", policy)
    said = answer(sub / "mia.png", policy, swapping(sub, outside), (calls - 5,))
    assert "must stay where it is while it is read" in said


@pytest.mark.parametrize("by_handle", [True, False])
@pytest.mark.parametrize("swapped", ["sub", "sub/mia.png"])
def test_link_that_appears_before_the_opening_is_refused_on_every_system(
    album: Path, sub: Path, outside: Path, policy: MediaPolicy, swapped: str, *, by_handle: bool
) -> None:
    real = sub / "mia.png"
    with reached(real, policy, by_handle=by_handle) as place:
        opened = place.open(os.O_RDONLY)
    assert os.pread(opened, 100, 0) == INSIDE
    os.close(opened)
    swapping(album / swapped, outside if swapped == "sub" else outside / "mia.png")()
    with pytest.raises(MovedError), reached(real, policy, by_handle=by_handle) as place:
        place.open(os.O_RDONLY)


def test_folder_that_may_be_entered_but_not_listed_gives_its_files(sub: Path, policy: MediaPolicy) -> None:
    sub.chmod(0o100)
    try:
        assert read_local(str(sub / "mia.png"), "frontal_image", policy) == INSIDE
    finally:
        sub.chmod(0o700)


def test_pipe_in_the_place_of_a_folder_is_not_waited_for(album: Path, policy: MediaPolicy) -> None:
    os.mkfifo(album / "pipe")
    assert names_in(album / "pipe", policy, 10) == []
    with pytest.raises(InputError, match="existing file"):
        read_local(str(album / "pipe" / "mia.png"), "frontal_image", policy)


def test_deleted_working_directory_is_named_for_a_relative_path(
    album: Path, policy: MediaPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = album / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    (album / "mia.png").write_bytes(INSIDE)
    assert read_local(str(album / "mia.png"), "frontal_image", policy) == INSIDE
    with pytest.raises(InputError, match=r"must be a full path, because the folder .* is gone"):
        read_local("mia.png", "frontal_image", policy)
