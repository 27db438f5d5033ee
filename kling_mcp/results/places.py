"""Where in the output folder the files of a task go."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from kling_mcp.results.folder import NotInsideError
from kling_mcp.results.names import fold, not_inside, parse_save_as, slug

if TYPE_CHECKING:
    from kling_mcp.results.folder import Folder
    from kling_mcp.results.sidecar import Description, Saved


def target_of(root: Folder, description: Description) -> tuple[Folder, str]:
    """Where the files of a task go, opened, and their name.

    Raises:
        NotInsideError: a folder of `save_as` is a link or a file.
    """
    wish = parse_save_as(description.save_as)
    name = slug(description.title or description.prompt, description.kind)
    name = name if description.take == 1 else f"{name}-take-{description.take}"
    target = root.descend(wish.folders, make=True)
    if not wish.name:
        return target, name
    if not target.is_folder(wish.name):
        return target, wish.stem
    with target:
        return target.enter(wish.name), name


def require_inside(root: Folder, save_as: str) -> None:
    """The folders of `save_as` that exist are folders of the output folder.

    Raises:
        InputError: one is a link, a file, or on another disk.
    """
    wish = parse_save_as(save_as)
    with suppress(FileNotFoundError):
        try:
            folder = root.descend(wish.folders)
        except NotInsideError as error:
            raise not_inside(error.name, error.what) from None
        with folder:
            if folder.device != root.device:
                raise not_inside(folder.path.name, "a disk of its own")


def is_where_wanted(saved: Saved, save_as: str) -> bool:
    """Whether a file lies where `save_as` says, under whatever number."""
    wish = parse_save_as(save_as)
    folders, wanted = [fold(name) for name in saved.folders], [fold(name) for name in wish.folders]
    if not wish.name:
        return not wanted or folders == wanted
    is_named = folders == wanted and fold(saved.file).startswith(fold(wish.stem))
    return is_named or folders == [*wanted, fold(wish.name)]
