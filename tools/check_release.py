"""Compares the versions that a release states, and takes its notes from the changelog. Standard library only.

    python tools/check_release.py [--tag v1.2.3] [--notes FILE]

Without a tag: whether all files agree with `kling_mcp/_version.py`. With one: also whether the tag does, whether its
heading in CHANGELOG.md has a date, and whether its interface is frozen in `tests/released`. Exits with 1 and one line
for each difference.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# Manifests of desktop bundles, plugins and extensions, wherever they lie.
MANIFESTS = {"manifest.json", "plugin.json", "marketplace.json", "gemini-extension.json", "POWER.md", "SKILL.md"}
_SKIPPED = {"node_modules", "build", "dist", "tests", "site", "__pycache__"}
_HEADING = re.compile(r"^## \[?(?P<version>\d[^\s\]]*)\]?(?P<rest>.*)$", re.MULTILINE)
_DATED = re.compile(r"\d{4}-\d{2}-\d{2}")
# `kling-mcp==1.2.3` and `kling-mcp@1.2.3`, as commands and requirements name one version.
_PINNED = re.compile(r"kling-mcp(?:\[[a-z,]+\])?(?:==|@)v?(\d[\w.]*\w)")
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---", re.DOTALL)


def package_version(root: Path) -> str:
    """The version that everything else must have."""
    text = (root / "kling_mcp" / "_version.py").read_text("utf-8")
    found = re.search(r'__version__ = "([^"]+)"', text)
    if found is None:
        raise SystemExit("kling_mcp/_version.py: states no __version__")
    return found[1]


def stated_versions(root: Path) -> Iterator[tuple[str, str]]:
    """(where, version) for each version of this package that a file states."""
    server = json.loads((root / "server.json").read_text("utf-8"))
    yield "server.json: version", server["version"]
    for number, package in enumerate(server["packages"]):
        yield f"server.json: packages[{number}].version", package["version"]
    for path in manifests(root):
        name, text = path.relative_to(root).as_posix(), path.read_text("utf-8")
        found = _versions_of_json(json.loads(text)) if path.suffix == ".json" else _version_of_front_matter(text)
        yield from ((f"{name}: {place}", version) for place, version in found)
        yield from ((f"{name}: {pinned[0]}", pinned[1]) for pinned in _PINNED.finditer(text))


def manifests(root: Path) -> list[Path]:
    """Those that exist; a page's own manifest has no `version` and states nothing."""
    found = []
    for folder, below, files in os.walk(root):
        below[:] = [name for name in below if name not in _SKIPPED and not _is_tools_folder(Path(folder) / name)]
        found += [Path(folder) / name for name in files if name in MANIFESTS]
    return sorted(found)


def _is_tools_folder(path: Path) -> bool:
    """Environments and caches; folders of plugins begin with a dot, too."""
    hidden = path.name.startswith(".") and not path.name.endswith("-plugin")
    return hidden and path.name not in {".agents", ".claude", ".codex", ".cursor", ".gemini", ".kiro"}


def _versions_of_json(manifest: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "version" in manifest:
        yield "version", str(manifest["version"])
    if "version" in manifest.get("metadata", {}):
        yield "metadata.version", str(manifest["metadata"]["version"])
    for number, plugin in enumerate(manifest.get("plugins", [])):
        if isinstance(plugin, dict) and "version" in plugin:
            yield f"plugins[{number}].version", str(plugin["version"])


def _version_of_front_matter(text: str) -> Iterator[tuple[str, str]]:
    matter = _FRONT_MATTER.match(text)
    found = re.search(r"^\s*version: *[\"']?([^\s\"']+)", matter[1], re.MULTILINE) if matter else None
    if found:
        yield "version", found[1]


def section_of(changelog: str, version: str) -> tuple[str, str] | None:
    """(the rest of the heading, the text below it) for a version in the changelog."""
    headings = list(_HEADING.finditer(changelog))
    for place, heading in enumerate(headings):
        if heading["version"] == version:
            end = headings[place + 1].start() if place + 1 < len(headings) else len(changelog)
            return heading["rest"].strip(), changelog[heading.end() : end].strip()
    return None


def differences(root: Path, tag: str = "") -> list[str]:
    """One line for each thing that does not agree; none if all is well."""
    version = package_version(root)
    found = [f"{where} is {stated}, not {version}" for where, stated in stated_versions(root) if stated != version]
    section = section_of((root / "CHANGELOG.md").read_text("utf-8"), version)
    if section is None:
        found.append(f"CHANGELOG.md: has no heading for {version}")
    if not tag:
        return found
    if tag != f"v{version}":
        found.append(f"the tag is {tag}, not v{version}")
    if section is not None and not _DATED.search(section[0]):
        found.append(f"CHANGELOG.md: the heading of {version} has no date")
    if not list((root / "tests" / "released").glob(f"{version}.*")):
        found.append(f"tests/released: has no {version}; run python tools/wire.py --freeze")
    return found


def main(words: list[str] | None = None) -> int:
    """0 if all agrees."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tag", default="", help="the release's tag, as in v1.2.3")
    parser.add_argument("--notes", type=Path, help="write the changelog's section of this version to a file")
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    found = differences(options.root, options.tag)
    sys.stdout.write("".join(f"{line}\n" for line in found) or f"{package_version(options.root)} everywhere\n")
    section = section_of((options.root / "CHANGELOG.md").read_text("utf-8"), package_version(options.root))
    if options.notes and section:
        options.notes.write_text(f"{section[1]}\n", "utf-8")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
