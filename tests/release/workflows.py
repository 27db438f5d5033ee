"""The workflow files, read for tests and for `perform.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github" / "workflows"


class Step(NamedTuple):
    """A step that runs a script: where it stands, its script, and the variables of workflow, job and step."""

    workflow: str
    job: str
    name: str
    script: str
    env: dict[str, str]


def workflows() -> dict[str, dict[Any, Any]]:
    """Each workflow by its file's name. YAML reads the key `on` as True."""
    return {path.name: yaml.safe_load(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.yml"))}


def steps_of(job: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of a job that has some; one that calls a workflow has none."""
    found: list[dict[str, Any]] = job.get("steps", [])
    return found


def scripts() -> Iterator[Step]:
    """Every step that runs a script, in the order of the files."""
    for file, workflow in workflows().items():
        for name, job in workflow["jobs"].items():
            for step in steps_of(job):
                if "run" in step:
                    env = {**workflow.get("env", {}), **job.get("env", {}), **step.get("env", {})}
                    yield Step(file, name, step["name"], step["run"], env)


# Why a step cannot be run without the host. Every other one is performed by `perform.py`.
NEEDS_THE_HOST = {
    ("ci.yml", "test", "Install"): "tests/release/perform.py runs within what it installs",
    ("ci.yml", "test", "Test"): "the suite itself",
    ("ci.yml", "everything", "Run what a clone runs"): "runs perform.py",
    ("release.yml", "index", "Attest as the package index wants it"): "the host signs for its workflow",
    ("release.yml", "index", "Publish"): "the index trusts the host's workflow",
    ("release.yml", "image", "Start it"): "the image was pushed to a registry",
    ("release.yml", "registry", "Fetch the registry's publisher"): "a release of another repository",
    ("release.yml", "registry", "Publish"): "the registry trusts the host's workflow",
    ("release.yml", "page", "Create the release"): "a page of the host",
}
