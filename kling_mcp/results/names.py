"""Names of files that are safe on every system: from `save_as`, or from the prompt. Pure text."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from kling_mcp.errors import InputError, Problem
from kling_mcp.results.content import by_extension
from kling_mcp.sanitize import quote, trim, without_invisible

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

SIDECAR = ".json"
ARGUMENT = "save_as"
MAX_FOLDERS = 4
# A name on a disk has at most 255 bytes, on an encrypted one 143; a number and an extension follow.
MAX_STEM_BYTES = 120
_MAX_SAVE_AS_CHARACTERS = 500
_MAX_SLUG_CHARACTERS = 48
_MAX_NAMES_TRIED = 10_000

# No system's file names have these, or Windows' have not.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?=\s*(?:\.|$))", re.IGNORECASE)
_ABSOLUTE = re.compile(r"[/\\]|[A-Za-z]:|~(?:[/\\]|$)")
# Joiners stay inside words, where emoji and several scripts need them.
_HERE = {"", "."}
_JOINERS = "\u200c\u200d"
_FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))  # two make a flag


@dataclass(frozen=True, slots=True)
class SaveAs:
    """Where a caller wants the files: folders below the output folder, and a name or "".

    `name` is as it was given, but safe; where a folder has that name already, it means the folder.
    """

    folders: tuple[str, ...] = ()
    name: str = ""

    @property
    def stem(self) -> str:
        """The name without an extension of a video or picture: the content decides which one is right."""
        stem, dot, extension = self.name.rpartition(".")
        return (stem and _safe(stem)) or self.name if dot and by_extension(f".{extension}") else self.name


def parse_save_as(text: str) -> SaveAs:
    """Read a name or a folder; one that ends with a slash is a folder. Backslashes are slashes.

    Characters that some system cannot have in a name are left out.

    Raises:
        InputError: it leads out of the output folder, or nothing of a name is left; the argument is `save_as`.
    """
    text = trim(text)
    if len(text) > _MAX_SAVE_AS_CHARACTERS:
        raise _refused(
            ARGUMENT, f"must have at most {_MAX_SAVE_AS_CHARACTERS} characters", f"{len(text)}", "give a short name."
        )
    if _ABSOLUTE.match(text):
        fix = "give only a name, or a folder and a name such as scenes/kitchen."
        raise _refused(
            ARGUMENT, "must be a name or a folder inside the output folder, not a full path", quote(text), fix
        )
    *_, last = given = re.split(r"[/\\]", text)
    parts = [part for part in given if part.strip() not in _HERE]
    if any(_is_up(part) for part in parts):
        raise _refused(ARGUMENT, "must stay inside the output folder", quote(text), "leave out the `..`.")
    cleaned = [_safe(part) for part in parts]
    if not all(cleaned):
        fix = "give a name with letters or digits."
        raise _refused(ARGUMENT, "must be made of names that every system can have", quote(text), fix)
    if last.strip() in _HERE:
        folders, name = cleaned, ""
    else:
        *folders, name = cleaned
    if len(folders) > MAX_FOLDERS:
        raise _refused(ARGUMENT, f"must have at most {MAX_FOLDERS} folders", f"{len(folders)}", "use fewer folders.")
    return SaveAs(tuple(folders), name)


def not_inside(folder: str, what: str) -> InputError:
    """The error for a folder of `save_as` that is a link or a file, as `what` says."""
    actual = f"{quote(folder)}, which is {what}"
    return _refused(ARGUMENT, "must go through folders inside the output folder", actual, "name another folder.")


def slug(prompt: str, otherwise: str) -> str:
    """The first words of a prompt, in any script, as a short name in lower case; `otherwise` for one without words."""
    words = _words(without_invisible(unicodedata.normalize("NFC", prompt[: 20 * _MAX_SLUG_CHARACTERS])))
    kept = ""
    for word in words:
        longer = f"{kept}-{word}" if kept else word
        if len(longer) > _MAX_SLUG_CHARACTERS or len(longer.encode()) > MAX_STEM_BYTES:
            break
        kept = longer
    if not kept and words:  # a script without spaces
        kept = _cut(words[0], _MAX_SLUG_CHARACTERS, MAX_STEM_BYTES)
    return _safe(kept) or otherwise


def numbered(stem: str, index: int, count: int) -> str:
    """The name of result `index`, from 1, of `count`."""
    return stem if count == 1 else f"{stem}-{index}"


def free_stems(stem: str, extension: str, taken: Collection[str]) -> Iterator[str]:
    """`stem`, `stem (2)`, … as far as neither the file nor its sidecar would collide, in upper or lower case either."""
    keys = {fold(name) for name in taken}
    for number in range(1, _MAX_NAMES_TRIED):
        candidate = stem if number == 1 else f"{stem} ({number})"
        if fold(candidate + extension) not in keys and fold(candidate + SIDECAR) not in keys:
            yield candidate


def fold(name: str) -> str:
    """What two names have in common that some disk takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


# --- one name


def _safe(name: str) -> str:
    """The name without what some system cannot have in one; "" if nothing is left."""
    name = _FORBIDDEN.sub(" ", without_invisible(unicodedata.normalize("NFC", name)))
    # In front a dot hides a file, a dash is an option and a tilde a home; Windows drops dots and spaces at the end.
    name = " ".join(name.split()).lstrip(" .-~").rstrip(" .")
    name = _cut(name, MAX_STEM_BYTES, MAX_STEM_BYTES).rstrip(" .")
    if not name.strip(_JOINERS):
        return ""
    return f"_{name}" if _RESERVED.match(name) else name


def _is_up(part: str) -> bool:
    """`..` in any spelling that some system could take for it."""
    return set(unicodedata.normalize("NFKC", without_invisible(part)).strip()) == {"."}


def _words(text: str) -> list[str]:
    """Runs of letters and digits with their marks, in lower case."""
    runs = ("".join(run) for is_word, run in groupby(text, _is_of_a_word) if is_word)
    return [run.strip(_JOINERS).lower() for run in runs if any(map(str.isalnum, run))]


def _is_of_a_word(character: str) -> bool:
    r"""`\\w` does not hold marks such as vowel signs, and would cut words of many scripts in two."""
    return character.isalnum() or character in _JOINERS or unicodedata.category(character)[0] == "M"


def _cut(text: str, most_characters: int, most_bytes: int) -> str:
    """The longest beginning within both limits that ends between two characters as people see them."""
    if len(text) <= most_characters and len(text.encode()) <= most_bytes:
        return text
    ends = (end for end in range(1, min(len(text), most_characters) + 1) if not _joined(text, end))
    return text[: max((end for end in ends if len(text[:end].encode()) <= most_bytes), default=0)]


def _joined(text: str, at: int) -> bool:
    """Whether the characters before and behind this place are seen as one: accents, emoji, flags, syllables."""
    if at >= len(text):
        return False
    before, behind = text[at - 1], text[at]
    if behind in _JOINERS or before == "\u200d" or unicodedata.category(behind)[0] == "M":
        return True
    if "\U0001f3fb" <= behind <= "\U0001f3ff" or behind in "\u0e33\u0eb3" or "\u1160" <= behind <= "\u11ff":
        return True  # a skin, a vowel of Thai or Lao, the rest of a syllable of Hangul
    if unicodedata.combining(before) == 9:
        return True  # a virama joins two consonants
    flags = len(text[:at]) - len(text[:at].rstrip(_FLAG_LETTERS))
    return flags % 2 == 1 and behind in _FLAG_LETTERS


def _refused(argument: str, rule: str, actual: str, fix: str) -> InputError:
    return InputError([Problem(argument, rule, actual, fix)])
