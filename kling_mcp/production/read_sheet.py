"""Reads a production sheet: YAML, JSON or TOML, with defaults applied and every problem told with its line and fix.

Nothing is sent and no link is opened; local pictures are read, because a picture that is missing is a problem, too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kling_mcp.errors import InputError
from kling_mcp.production.check_cast import MATERIAL, check_entry
from kling_mcp.production.check_shots import check_shot, draft_of
from kling_mcp.production.example import short_form
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
from kling_mcp.production.mentions import NearNames
from kling_mcp.production.model import Sheet, SheetProblem
from kling_mcp.production.names import find_names
from kling_mcp.production.parse_json import parse_json, parse_toml
from kling_mcp.production.parse_yaml import parse_yaml
from kling_mcp.production.sheet_file import read_sheet_text
from kling_mcp.production.sheet_media import SheetMedia
from kling_mcp.production.tree import WHOLE, Listed, Mapped, Pair, Scalar, refuse_file, shown
from kling_mcp.sanitize import as_shown, clean, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kling_mcp.media.policy import MediaPolicy
    from kling_mcp.production.keys import Key
    from kling_mcp.production.model import CastEntry, Shot
    from kling_mcp.production.sheet_file import SheetText
    from kling_mcp.production.tree import Node

ADVICE = "Nothing was made. Correct the sheet and call again."
# How a map is written that was written otherwise.
_AS_SHEET = "version: 1, then cast: and shots: with their entries below them"
_AS_CAST = "a key for each name, such as Mia: {description: …, front: …, others: […]}"
_AS_ENTRY = "it as {description: …, front: …, others: […]}"
_AS_SHOTS = "a key for each shot, such as s01: {prompt: …}"
_AS_SHOT = "it as {prompt: …, duration: …}"
_PARSERS: Mapping[str, Callable[[str], Node | None]] = {
    ".yaml": parse_yaml,
    ".yml": parse_yaml,
    ".json": parse_json,
    ".toml": parse_toml,
}
_KEYS = {key.name: key for key in SHEET_KEYS}
_ID_KEY = next(key for key in CAST_KEYS if key.name == "element_id")
_PROMPT_KEY = next(key for key in SHOT_KEYS if key.name == "prompt")
_ALL_PICTURES = ("pictures", "images")
_IGNORED = {"$schema"}  # how a JSON file names the schema for an editor


def read_sheet(path: str, policy: MediaPolicy) -> Sheet:
    """The sheet in a file. Blocking: it reads the file and the pictures that it names (run it in a worker thread).

    Args:
        path: absolute, or relative to the working directory or to an allowed folder; `~` is the home folder.

    Raises:
        InputError: every problem of the sheet, as `SheetProblem` in the order of the file; or why the file cannot be
            read at all. Where its form is not known, the advice has an example.
    """
    try:
        file = read_sheet_text(path, policy)
    except InputError as error:
        advice = "Nothing was made. Correct the path, or write the sheet, and call again."
        raise InputError(error.problems, advice=f"{advice}\n{short_form()}") from None
    return parse_sheet(file, policy)


def parse_sheet(file: SheetText, policy: MediaPolicy) -> Sheet:
    """The same for a text that was read already."""
    try:
        root = _PARSERS[file.ending](file.text)
        if root is None:
            refuse_file("must have cast or shots", "an empty file", "write it as the example below.")
    except InputError as error:
        raise InputError(error.problems, advice=f"{ADVICE}\n{short_form()}") from None
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
        sections = self._sections(pairs_of(root, WHOLE, "version, cast and shots", _AS_SHEET, self._problems))
        if "defaults" in sections:
            what = "keys of cast entries"
            self._read_defaults(pairs_of(sections["defaults"], "defaults", what, "it as {tags: […]}", self._problems))
        cast = self._read_cast(sections.get("cast"))
        shots = self._read_shots(sections.get("shots"), frozenset(map(as_shown, cast)))
        if not self._problems and not cast and not shots:
            self._problems.refuse(WHOLE, "must have cast or shots", "none", "write it as the example below.")
        if self._problems:
            self._add_misspelled_names(cast, shots)
            found = self._problems.in_order()
            knows_form = all("." in problem.argument or problem.argument == "version" for problem in found)
            raise InputError(found, advice=ADVICE if knows_form else f"{ADVICE}\n{short_form()}")
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
                meant = refuse_key(pair.key, "", tuple(_KEYS), self._problems, pair.place)
                if meant and isinstance(pair.value, Mapped):
                    sections.setdefault(meant, pair.value)  # what is wrong below it is found by the same call
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
            inner = pairs_of(
                pair.value, "defaults.shots", "keys of shots", "it as {aspect_ratio: …, duration: …}", self._problems
            )
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
        for pair in self._entries(node, "cast", "names", _AS_CAST, MAX_CAST):
            path = way("cast", pair.key)
            if isinstance(pair.value, Scalar):  # an id alone
                value = Mapped((Pair(_ID_KEY.name, pair.value, pair.place),), pair.place)
                if pair.value.kind == "nothing":
                    value = Mapped((), pair.place)
            else:
                value = pairs_of(pair.value, path, "description, front and others", _AS_ENTRY, self._problems)
                if not _can_be_map(pair.value):
                    continue
                value = _with_front_and_others(value)
            own = read_fields(value, path, CAST_KEYS, self._problems)
            defaults = {} if _ID_KEY.name in own else self._cast_defaults
            cast[pair.key] = check_entry(pair.key, pair.place, {**defaults, **own}, self._media, self._problems)
        return cast

    def _read_shots(self, node: Node | None, names: frozenset[str]) -> dict[str, Shot]:
        shots: dict[str, Shot] = {}
        for pair in self._entries(node, "shots", "ids", _AS_SHOTS, MAX_SHOTS_OF_A_SHEET):
            path = way("shots", pair.key)
            if isinstance(pair.value, Scalar) and pair.value.kind == "text":  # a prompt alone
                value = Mapped((Pair(_PROMPT_KEY.name, pair.value, pair.place),), pair.place)
            else:
                value = pairs_of(pair.value, path, "keys such as prompt, duration and model", _AS_SHOT, self._problems)
                if not _can_be_map(pair.value):
                    continue
            own = read_fields(value, path, SHOT_KEYS, self._problems)
            slots = {**self._shot_defaults, **own}
            shots[pair.key] = check_shot(pair.key, pair.place, slots, self._media, names=names, problems=self._problems)
        return shots

    def _add_misspelled_names(self, cast: Mapping[str, CastEntry], shots: Mapping[str, Shot]) -> None:
        """Names in shots that the cast has nearly: a plan would find them, and here there is none."""
        near = NearNames(cast)
        for shot in shots.values():
            for names in find_names(draft_of(shot), dict.fromkeys(cast, "")).others:
                if meant := near.to(names):
                    self._problems.refuse(
                        way(way("shots", shot.id), "prompt"),
                        "must name elements as the cast spells them",
                        f"{quote('@' + names[-1], 60)}, which the cast does not have",
                        f"did you mean @{clean(meant, 60)}?",
                        shot.place,
                    )

    def _entries(self, node: Node | None, path: str, what: str, such_as: str, most: int) -> tuple[Pair, ...]:
        """The pairs of `cast` or `shots`, with those that look the same noted."""
        if node is None:
            return ()
        pairs = pairs_of(node, path, what, such_as, self._problems).pairs
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


def _with_front_and_others(node: Mapped) -> Mapped:
    """The entry with `front` and `others` in place of one list of pictures, whose first is from the front."""
    given = [pair for pair in node.pairs if pair.key in _ALL_PICTURES]
    if len(given) != 1 or any(pair.key in MATERIAL for pair in node.pairs):
        return node
    (pictures,) = given
    if not isinstance(pictures.value, Listed):
        return node
    front, others = pictures.value.items[:1], pictures.value.items[1:]
    own = [Pair("front", picture, pictures.place) for picture in front]
    own.append(Pair("others", Listed(others, pictures.place), pictures.place))
    return replace(node, pairs=(*(pair for pair in node.pairs if pair is not pictures), *own))
