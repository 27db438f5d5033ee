"""The files for containers and services name what exists, and hold no secret. `container/perform.py` performs them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from documentation import PAGES
from readings import secret_variables, variables_read

from kling_mcp.cli import _build_parser
from kling_mcp.server.http.app import READINESS
from kling_mcp.server.http.auth import check_access
from kling_mcp.settings import Settings
from kling_mcp.settings.hosting import HostingSettings

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICE: dict[str, Any] = COMPOSE["services"]["kling-mcp"]
PAGE = (ROOT / "docs" / "operating.md").read_text("utf-8")
UNIT = PAGE.split("```ini\n", 1)[1].split("```", 1)[0]


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as pairs; continued lines are joined."""
    text = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    return [(word, rest) for line in text.splitlines() if line for word, _, rest in [line.partition(" ")]]


def last(word: str) -> str:
    """What the last of these instructions says: the one that counts in the image."""
    return [rest for name, rest in instructions() if name == word][-1]


# --- the image


def test_image_starts_the_installed_command_over_stdio() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    [command] = json.loads(last("ENTRYPOINT"))
    assert command in project["scripts"]
    assert "CMD" not in dict(instructions())
    assert _build_parser().parse_args([]).transport == "stdio"


def test_image_is_found_by_the_registrys_label() -> None:
    label = re.search(r'io\.modelcontextprotocol\.server\.name="([^"]+)"', last("LABEL"))
    assert label is not None
    assert label[1] == json.loads((ROOT / "server.json").read_text("utf-8"))["name"]


def test_image_runs_without_rights_and_compiles_beforehand() -> None:
    words = [word for word, _ in instructions()]
    assert int(last("USER")) > 1000
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert last("RUN").endswith(f"{last('VOLUME')}")
    assert "compileall" in dict(reversed(instructions()))["RUN"]
    assert all(rest.startswith("python:3.13-slim") for word, rest in instructions() if word == "FROM")


def test_image_layers_take_no_secret() -> None:
    named = " ".join(rest for word, rest in instructions() if word in {"ARG", "ENV", "RUN", "LABEL"})
    assert not [name for name in secret_variables() if name in named]
    assert "ADD" not in dict(instructions())
    copied = {
        source
        for word, rest in instructions()
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    }
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    assert copied == allowed, "what is sent to the builder is what the image is made from"
    assert all((ROOT / name).exists() for name in copied)


def test_settings_of_the_image_exist() -> None:
    assert set(re.findall(r"KLING_\w+", last("ENV"))) <= variables_read()


RUNS = {
    path.name: re.findall(r"docker run .+?(?= kling-mcp(?: |$))", re.sub(r"\\\n(?:#)?\s+", "", text), re.MULTILINE)
    for path, text in ((path, path.read_text("utf-8")) for path in (ROOT / "Dockerfile", *PAGES))
}


def test_pages_about_containers_show_how_to_start_one() -> None:
    assert {page for page in RUNS if RUNS[page]} >= {"Dockerfile", "operating.md", "hosting.md"}


@pytest.mark.parametrize("page", RUNS)
def test_containers_keep_their_state_in_a_named_volume(page: str) -> None:
    for command in RUNS[page]:
        assert f" -v kling-mcp-state:{last('VOLUME')}" in command
        assert set(re.findall(r"-e (KLING_\w+)", command)) <= variables_read()


@pytest.mark.parametrize("page", RUNS)
def test_local_containers_read_pictures_from_a_mount_that_they_cannot_change(page: str) -> None:
    for command in RUNS[page]:
        if " -i " in command:
            mount = re.search(r'-v "\$HOME/Pictures:(\S+):ro"', command)
            assert mount is not None
            assert f"-e KLING_MCP_MEDIA_DIRS={mount[1]}" in command


# --- compose


def test_compose_names_settings_that_exist_and_no_secret() -> None:
    environment = SERVICE["environment"]
    assert set(environment) <= variables_read()
    assert not set(environment) & secret_variables(), "secrets come from files"
    for service in COMPOSE["services"].values():
        assert not [value for value in service["environment"].values() if "://" in value and "@" in value]


def test_files_of_secrets_are_declared_and_mounted() -> None:
    for service in COMPOSE["services"].values():
        wanted = {
            value.removeprefix("/run/secrets/")
            for name, value in service["environment"].items()
            if name.endswith("_FILE")
        }
        assert wanted == set(service.get("secrets", []))
    named = {name for service in COMPOSE["services"].values() for name in service.get("secrets", [])}
    assert named == set(COMPOSE["secrets"])
    for name, secret in COMPOSE["secrets"].items():
        assert secret == {"file": f"./secrets/{name}"}
        assert f"> secrets/{name}" in PAGE


def test_files_that_compose_refers_to_exist() -> None:
    mounts = {
        mount.partition(":")[0] for service in COMPOSE["services"].values() for mount in service.get("volumes", [])
    }
    assert mounts == set(COMPOSE["volumes"])
    assert [entry["source"] for entry in COMPOSE["services"]["proxy"]["configs"]] == list(COMPOSE["configs"])
    for service in COMPOSE["services"].values():
        assert set(service.get("depends_on", [])) <= set(COMPOSE["services"])
    assert last("VOLUME") in [mount.partition(":")[2] for mount in SERVICE["volumes"]]


def test_two_replicas_run_behind_the_proxy() -> None:
    options = _build_parser().parse_args(SERVICE["command"])
    assert SERVICE["deploy"]["replicas"] == 2
    assert "ports" not in SERVICE
    assert "container_name" not in SERVICE
    assert options.transport == "http"
    assert f"dynamic a kling-mcp {options.port}" in COMPOSE["configs"]["caddyfile"]["content"]
    assert f"127.0.0.1:{options.port}{READINESS}" in SERVICE["healthcheck"]["test"][-1]


def test_proxies_keep_secrets_out_of_their_logs_and_close_slow_connections() -> None:
    """The global options of Caddy are the same in compose.yaml and on the page."""
    page = (ROOT / "docs" / "hosting.md").read_text("utf-8")
    caddy, nginx = (page.split(f"```{language}\n{begin}", 1)[1] for language, begin in (("text", "{\n"), ("nginx", "")))
    options = caddy.split("\n}\n", 1)[0].split()
    assert {"read_header", "request>headers", "request>uri"} <= set(options)
    assert COMPOSE["configs"]["caddyfile"]["content"].split()[1 : len(options) + 1] == options
    callbacks = nginx.split("location /callbacks/ {", 1)[1].split("}", 1)[0]
    assert re.findall(r"^ +(\w+_log) +([^;]+);", callbacks, re.MULTILINE) == [
        ("access_log", "off"),
        ("error_log", "/dev/null crit"),
    ]


def test_service_of_compose_would_start() -> None:
    """Its host is open to others, so it must say who may come, and Kling must be able to call it."""
    host = "kling.example.com"
    environment = {
        name: re.sub(r"\$\{KLING_HOST[^}]*\}", host, value)
        for name, value in SERVICE["environment"].items()
        if not name.endswith("_FILE")
    }
    environment["KLING_MCP_HTTP_TOKEN"] = "a-token-from-a-file"
    settings = Settings.from_env(environment)
    check_access(settings, _build_parser().parse_args(SERVICE["command"]).host)
    assert settings.hosting.callback_base_url == f"https://{host}"


def test_containers_of_ours_can_do_little() -> None:
    assert SERVICE["read_only"] is True
    assert SERVICE["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in SERVICE["security_opt"]


# --- the service


def test_unit_starts_what_exists_with_settings_that_exist() -> None:
    command = re.search(r"^ExecStart=\S+/kling-mcp (.+)$", UNIT, re.MULTILINE)
    assert command is not None
    options = _build_parser().parse_args(command[1].split())
    environment = dict(re.findall(r"^Environment=(\w+)=(.+)$", UNIT, re.MULTILINE))
    assert set(environment) <= variables_read()
    assert not set(environment) & secret_variables()
    hosting = HostingSettings(token="from-a-credential", allowed_hosts=(environment["KLING_MCP_ALLOWED_HOSTS"],))
    check_access(Settings(hosting=hosting), options.host)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_unit_is_one_that_systemd_understands(tmp_path: Path) -> None:
    program = shutil.which("true")
    (tmp_path / "kling-mcp.service").write_text(re.sub(r"ExecStart=\S+", f"ExecStart={program}", UNIT), "utf-8")
    command = ["systemd-analyze", "verify", str(tmp_path / "kling-mcp.service")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "kling-mcp" in line]) == (0, [])


@pytest.mark.parametrize("variable", sorted(set(re.findall(r"KLING_MCP_[A-Z_]+|KLING_WEBHOOK_[A-Z_]+", PAGE))))
def test_page_names_only_settings_that_exist(variable: str) -> None:
    assert variable in variables_read()
