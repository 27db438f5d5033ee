"""Reads a production sheet: YAML, JSON or TOML, with defaults applied and every problem told with its line and fix.

Nothing is sent and no link is opened; local pictures are read, because a picture that is missing is a problem, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kling_mcp.errors import InputError
from kling_mcp.production.check_cast import check_entry
from kling_mcp.production.check_shots import check_shot
from kling_mcp.production.fields import Problems, Slot, as_defaults, pairs_of, read_fields, refuse_key, way
from kling_mcp.production.keys import (
    CAST_KEYS,
    DEFAULTS_FOR_SHOTS,
    MAX_CAST,
    MAX_SHOTS_OF_A_SHEET,
    SHEET_KEYS,
    SHOT_KEYS,
    VERSION,
)
from kling_mcp.production.model import Sheet, SheetProblem
from kling_mcp.production.parse_json import parse_json, parse_toml
from kling_mcp.production.parse_yaml import parse_yaml
from kling_mcp.production.sheet_file import read_sheet_text
from kling_mcp.production.sheet_media import SheetMedia
from kling_mcp.production.tree import WHOLE, Mapped, Pair, Scalar, refuse_file, shown
from kling_mcp.sanitize import as_shown, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kling_mcp.media.policy import MediaPolicy
    from kling_mcp.production.keys import Key
    from kling_mcp.production.model import CastEntry, Shot
    from kling_mcp.production.sheet_file import SheetText
    from kling_mcp.production.tree import Node

ADVICE = "Nothing was made. Correct the sheet and call again."
_PARSERS: Mapping[str, Callable[[str], Node | None]] = {
    ".yaml": parse_yaml,
    ".yml": parse_yaml,
    ".json": parse_json,
    ".toml": parse_toml,
}
_KEYS = {key.name: key for key in SHEET_KEYS}
_ID_KEY = next(key for key in CAST_KEYS if key.name == "element_id")
_IGNORED = {"$schema"}  # how a JSON file names the schema for an editor


def read_sheet(path: str, policy: MediaPolicy) -> Sheet:
    """The sheet in a file. Blocking: it reads the file and the pictures that it names (run it in a worker thread).

    Args:
        path: absolute, or relative to the working directory; `~` is the home folder.

    Raises:
        InputError: every problem of the sheet, as `SheetProblem` in the order of the file; or why the file cannot be
            read at all.
    """
    return parse_sheet(read_sheet_text(path, policy), policy)


def parse_sheet(file: SheetText, policy: MediaPolicy) -> Sheet:
    """The same for a text that was read already."""
    try:
        root = _PARSERS[file.ending](file.text)
        if root is None:
            refuse_file("must have cast or shots", "an empty file", "see the example in docs/production.md.")
    except InputError as error:
        raise InputError(error.problems, advice=ADVICE) from None
    return _Reader(file, policy).read(root)


class _Reader:
    """Reads one sheet."""

    def __init__(self, file: SheetText, policy: MediaPolicy) -> None:
        self._file = file
        self._problems = Problems()
        self._media = SheetMedia(file.path.parent, policy, self._problems)
        self._cast_defaults: dict[str, Slot] = {}
        self._shot_defaults: dict[str, Slot] = {}

    def read(self, root: Node) -> Sheet:
        """The whole sheet. Raises InputError."""
        sections = self._sections(pairs_of(root, WHOLE, "version, cast and shots", self._problems))
        if "defaults" in sections:
            self._read_defaults(pairs_of(sections["defaults"], "defaults", "keys of cast entries", self._problems))
        cast = self._read_cast(sections.get("cast"))
        shots = self._read_shots(sections.get("shots"), frozenset(map(as_shown, cast)))
        if not self._problems and not cast and not shots:
            self._problems.refuse(WHOLE, "must have cast or shots", "none", "see the example in docs/production.md.")
        if self._problems:
            raise InputError(self._problems.in_order(), advice=ADVICE)
        return Sheet(path=self._file.path, version=VERSION, cast=cast, shots=shots, digest=self._file.digest)

    def _sections(self, root: Mapped) -> dict[str, Node]:
        """The values of the top level. A map of names and ids alone is a cast to adopt."""
        if root.pairs and not any(pair.key in _KEYS for pair in root.pairs):
            pairs = tuple(pair for pair in root.pairs if pair.key not in _IGNORED)
            if all(isinstance(pair.value, Scalar) for pair in pairs):
                return {"cast": Mapped(pairs, root.place)}
        sections = {pair.key: pair.value for pair in root.pairs if pair.key in _KEYS}
        for pair in root.pairs:
            if pair.key not in _KEYS and pair.key not in _IGNORED:
                refuse_key(pair.key, "", tuple(_KEYS), self._problems, pair.place)
        if "version" in sections:
            self._check_version(sections["version"])
        return sections

    def _check_version(self, node: Node) -> None:
        if isinstance(node, Scalar) and node.text == str(VERSION):
            return
        is_newer = isinstance(node, Scalar) and node.text.isdecimal()
        fix = "install a newer kling-mcp, or write the sheet as version 1." if is_newer else "write version: 1."
        self._problems.refuse("version", f"must be {VERSION}", shown(node), fix, node.place)

    def _read_defaults(self, node: Mapped) -> None:
        """Problems of shared values are told once, here."""
        cast_keys = [key for key in CAST_KEYS if key.may_default]
        shots = [pair for pair in node.pairs if pair.key == DEFAULTS_FOR_SHOTS.name]
        cast = Mapped(tuple(self._defaultable(node, CAST_KEYS, "defaults", except_for="shots")), node.place)
        self._cast_defaults = as_defaults(
            read_fields(cast, "defaults", [*cast_keys, DEFAULTS_FOR_SHOTS], self._problems)
        )
        for pair in shots:
            inner = pairs_of(pair.value, "defaults.shots", "keys of shots", self._problems)
            fit = Mapped(tuple(self._defaultable(inner, SHOT_KEYS, "defaults.shots")), inner.place)
            keys = [key for key in SHOT_KEYS if key.may_default]
            self._shot_defaults = as_defaults(read_fields(fit, "defaults.shots", keys, self._problems))

    def _defaultable(self, node: Mapped, keys: Sequence[Key], path: str, *, except_for: str = "") -> list[Pair]:
        """The pairs that entries can share, after noting those that they cannot."""
        own = {key.name for key in keys if not key.may_default}
        for pair in node.pairs:
            if pair.key in own and pair.key != except_for:
                rule = "must be given for each entry, because no two can share it"
                self._problems.refuse(way(path, pair.key), rule, pair.key, "move it into the entries.", pair.place)
        return [pair for pair in node.pairs if pair.key not in own and pair.key != except_for]

    def _read_cast(self, node: Node | None) -> dict[str, CastEntry]:
        cast: dict[str, CastEntry] = {}
        for pair in self._entries(node, "cast", "names", MAX_CAST):
            path = way("cast", pair.key)
            if isinstance(pair.value, Scalar):  # an id alone
                value = Mapped((Pair(_ID_KEY.name, pair.value, pair.place),), pair.place)
                if pair.value.kind == "nothing":
                    value = Mapped((), pair.place)
            else:
                value = pairs_of(pair.value, path, "description, front and others", self._problems)
                if not _can_be_map(pair.value):
                    continue
            own = read_fields(value, path, CAST_KEYS, self._problems)
            defaults = {} if _ID_KEY.name in own else self._cast_defaults
            cast[pair.key] = check_entry(pair.key, pair.place, {**defaults, **own}, self._media, self._problems)
        return cast

    def _read_shots(self, node: Node | None, names: frozenset[str]) -> dict[str, Shot]:
        shots: dict[str, Shot] = {}
        for pair in self._entries(node, "shots", "ids", MAX_SHOTS_OF_A_SHEET):
            path = way("shots", pair.key)
            value = pairs_of(pair.value, path, "prompt, model and others", self._problems)
            if not _can_be_map(pair.value):
                continue
            own = read_fields(value, path, SHOT_KEYS, self._problems)
            slots = {**self._shot_defaults, **own}
            shots[pair.key] = check_shot(pair.key, pair.place, slots, self._media, names=names, problems=self._problems)
        return shots

    def _entries(self, node: Node | None, path: str, what: str, most: int) -> tuple[Pair, ...]:
        """The pairs of `cast` or `shots`, with those that look the same noted."""
        if node is None:
            return ()
        pairs = pairs_of(node, path, what, self._problems).pairs
        if len(pairs) > most:
            fix = "make more than one sheet."
            raise InputError([SheetProblem(path, f"must have at most {most} {what}", f"{len(pairs)}", fix, node.place)])
        seen: dict[str, str] = {}
        for pair in pairs:
            earlier = seen.setdefault(as_shown(pair.key), pair.key)
            if earlier != pair.key:
                rule = "must look different from every other key beside it"
                self._problems.refuse(way(path, pair.key), rule, quote(pair.key, 60), "rename one of them.", pair.place)
        return pairs


def _can_be_map(node: Node) -> bool:
    """Whether it is one, or an empty one; anything else is one problem, not one for each key that it lacks."""
    return isinstance(node, Mapped) or (isinstance(node, Scalar) and node.kind == "nothing")
