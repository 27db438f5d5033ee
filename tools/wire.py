"""What changed for users since the last release: a diff of the wire, in words, each change compatible or breaking.

    python tools/wire.py                    the last release against the code as it is
    python tools/wire.py OLD.json NEW.json  two documents, as wire_now.py prints them
    python tools/wire.py --freeze           at a release: keep what is on the wire as tests/released/VERSION.json

Whatever changed needs a heading for the next version in CHANGELOG.md. A breaking change needs a line under it that
has the changed names in code marks, and the version raised for it: 0.x in its second number, later in its first.
Exit: 0 nothing to object to, 1 a change that the changelog does not announce, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wire_rules import changes_between

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wire_rules import Change, Document

ROOT = Path(__file__).parent.parent
RELEASED = ROOT / "tests" / "released"
CHANGELOG = ROOT / "CHANGELOG.md"
HEADING = re.compile(r"^## \[?(\d+\.\d+\.\d+)\]?(.*)$", re.MULTILINE)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("documents", nargs="*", type=Path, metavar="FILE", help="the older one first")
    parser.add_argument("--freeze", action="store_true", help="keep the wire of this version, once")
    options = parser.parse_args(arguments)
    if len(options.documents) not in (0, 2):
        parser.error("give two documents, or none")
    if options.documents:
        old, new = (json.loads(path.read_text("utf-8")) for path in options.documents)
        _say(told(changes_between(old, new)))
        return 0

    from wire_now import read_wire  # noqa: PLC0415 - builds a server, which two files do not need

    return freeze(read_wire(), RELEASED) if options.freeze else compare(read_wire(), RELEASED, CHANGELOG)


def compare(now: Document, released: Path, changelog: Path) -> int:
    """Say what changed since the last release, and what the changelog lacks."""
    last = last_release(released)
    if last is None:
        _say("Nothing is released yet: there is no frozen wire in tests/released, and so nothing to compare with.")
        return 0
    changes = changes_between(last, now)
    _say(f"Since {last['version']}:\n{told(changes)}")
    objections = unannounced(changes, str(last["version"]), changelog.read_text("utf-8"))
    _say("".join(f"CHANGELOG.md {objection}\n" for objection in objections))
    return 1 if objections else 0


def freeze(now: Document, released: Path) -> int:
    """Keep what is on the wire. What was released stays as it was, so a file is written once."""
    path = released / f"{now['version']}.json"
    if path.exists():
        _say(f"{path.name} is there already: that version is released. Raise the version first.")
        return 1
    released.mkdir(exist_ok=True)
    path.write_text(json.dumps(now, indent=1, ensure_ascii=False, sort_keys=True) + "\n", "utf-8")
    _say(f"Wrote tests/released/{path.name}.")
    return 0


def last_release(released: Path) -> Document | None:
    """The wire of the highest version that was frozen."""
    paths = sorted(released.glob("*.json"), key=lambda path: number_of(path.stem))
    if not paths:
        return None
    document: Document = json.loads(paths[-1].read_text("utf-8"))
    return document


def told(changes: Sequence[Change]) -> str:
    """The changes in words, breaking ones first."""
    lines: list[str] = []
    for is_breaking, head in ((True, "Breaking:"), (False, "Compatible:")):
        chosen = [f"- {change}" for change in changes if change.is_breaking is is_breaking]
        lines += [head, *chosen] if chosen else []
    return "\n".join(lines or ["Nothing changed."])


def unannounced(changes: Sequence[Change], released: str, changelog: str) -> list[str]:
    """What the changelog lacks, as ends of sentences that begin with its name."""
    if not changes:
        return []
    version, section = newest_section(changelog)
    if number_of(version) <= number_of(released):
        return [f"begins with {version}, which is released: begin a heading for the next version"]
    breaking = [change for change in changes if change.is_breaking]
    lacks = [
        f"has no line under {version} that names {' and '.join(f'`{name}`' for name in change.place.names)} ({change})"
        for change in breaking
        if not any(all(f"`{name}`" in line for name in change.place.names) for line in section.splitlines())
    ]
    if breaking and not is_raised_enough(released, version):
        lacks.append(f"raises {released} to {version} only, and there are breaking changes")
    return lacks


def newest_section(changelog: str) -> tuple[str, str]:
    """The version that stands first, and what is written under it.

    Raises:
        ValueError: there is no heading of a version.
    """
    first = HEADING.search(changelog)
    if first is None:
        raise ValueError("the changelog has no heading such as ## 0.1.0")
    following = HEADING.search(changelog, first.end())
    return first[1], changelog[first.end() : following.start() if following else None]


def dated_versions(changelog: str) -> list[str]:
    """The versions that were released, by their headings."""
    return [version for version, rest in HEADING.findall(changelog) if "unreleased" not in rest.lower()]


def is_raised_enough(old: str, new: str) -> bool:
    """For breaking changes, by semantic versioning."""
    (major, minor, _), (new_major, new_minor, _) = number_of(old), number_of(new)
    return new_major > major or (major == 0 and new_major == 0 and new_minor > minor)


def number_of(version: str) -> tuple[int, int, int]:
    """A version as numbers, which compare as versions do."""
    major, minor, patch = (int(part) for part in version.split("."))
    return major, minor, patch


def _say(text: str) -> None:
    sys.stdout.write(text.rstrip("\n") + "\n" if text.strip() else "")


if __name__ == "__main__":
    sys.exit(main())
