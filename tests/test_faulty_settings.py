"""Over stdio no setting ends the process at start: calls that need it name the variable, and so does check_setup."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from helpers import ACCESS_KEY, API_KEY, SECRET_KEY, structured, text_of
from mcp import Client

from kling_mcp.errors import ConfigurationError
from kling_mcp.runtime import Runtime
from kling_mcp.server.setup_report import fault_sentences
from kling_mcp.server.stdio import build_anyway
from kling_mcp.settings import HOSTS, Settings, default_state_dir
from kling_mcp.settings.faults import Need, unknown_names
from kling_mcp.simulator import World, served_in_background

HOST = {
    "element_name": "Host",
    "element_description": "Presenter, grey suit",
    "reference_type": "video_refer",
    "video_url": "https://example.com/host.mp4",
}
pytestmark = pytest.mark.anyio

OPTIONAL = ["KLING_REGION", "KLING_MCP_TOOLS", "KLING_MCP_STATE_DIR", "KLING_MCP_OUTPUT_DIR"]
PLACEHOLDERS = ["${SOMETHING}", "$SOMETHING", "%SOMETHING%", "<something>"]

Serve = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def kling() -> Iterator[str]:
    """A Kling on a port of this computer, which knows one API key."""
    with served_in_background(World(api_keys=[API_KEY])) as url:
        yield url


@pytest.fixture
def serve(kling: str, tmp_path: Path) -> Serve:
    """`serve(KLING_REGION="mars")`: a client of the server that such an environment starts over stdio."""

    @asynccontextmanager
    async def serving(**environ: str) -> AsyncIterator[Client]:
        usual = {"KLING_API_KEY": API_KEY, "KLING_BASE_URL": kling, "KLING_MCP_STATE_DIR": str(tmp_path / "state")}
        settings = Settings.from_env({**usual, **environ}, tolerant=True)
        async with Client(build_anyway(settings)) as client:
            yield client

    return serving


async def told(client: Client, tool: str, **arguments: Any) -> str:
    """The text of an answer."""
    return text_of(await client.call_tool(tool, arguments))


async def setup(client: Client) -> dict[str, Any]:
    return structured(await client.call_tool("check_setup", {}))


def faults_of(**environ: str) -> list[tuple[Need, str]]:
    return [(fault.need, fault.sentence) for fault in Settings.from_env(environ, tolerant=True).faults]


def test_good_settings_have_no_fault(tmp_path: Path) -> None:
    good = {"KLING_API_KEY": API_KEY, "KLING_MCP_MEDIA_DIRS": str(tmp_path), "KLING_MCP_CREATES_PER_DAY": "5"}
    assert Settings.from_env(good, tolerant=True) == Settings.from_env(good)
    assert Settings.from_env(good).faults == ()


@pytest.mark.parametrize("tolerant", [False, True])
@pytest.mark.parametrize("value", ["", "  ", "${user_config.value}", ' "${user_config.value}" '])
def test_blank_setting_of_a_desktop_host_counts_as_unset(value: str, tolerant: bool) -> None:
    names = ["KLING_REGION", "KLING_BASE_URL", "KLING_MCP_STATE_DIR", "KLING_MCP_MEDIA_DIRS", "KLING_MCP_READ_ONLY"]
    names += [
        "KLING_MCP_OUTPUT_DIR",
        "KLING_MCP_MAX_CREATES",
        "KLING_MCP_CREATES_PER_DAY",
        "KLING_MCP_TOOLS",
        "KLING_MCP_AUDIT_LOG",
    ]
    assert Settings.from_env(dict.fromkeys(names, value), tolerant=tolerant) == Settings.from_env({})


@pytest.mark.parametrize("name", ["KLING_API_KEY", "KLING_ACCESS_KEY", "KLING_SECRET_KEY", "KLING_MCP_STATE_URL"])
def test_blank_secret_of_a_desktop_host_counts_as_unset(name: str) -> None:
    assert Settings.from_env({name: "${user_config.key}"}) == Settings.from_env({})


@pytest.mark.parametrize("value", PLACEHOLDERS)
@pytest.mark.parametrize("name", [*OPTIONAL, "KLING_MCP_WAIT_SECONDS"])
def test_unfilled_placeholder_of_an_optional_setting_counts_as_unset_and_is_reported(name: str, value: str) -> None:
    ((need, sentence),) = faults_of(**{name: value})
    assert need == "nothing"
    assert sentence.startswith(f"{name} holds the placeholder {value}")
    assert "counts as unset" in sentence


@pytest.mark.parametrize("value", [*PLACEHOLDERS, "maybe"])
def test_unclear_read_only_counts_as_on(value: str) -> None:
    assert Settings.from_env({"KLING_MCP_READ_ONLY": value}, tolerant=True).read_only
    assert Settings.from_env({"KLING_MCP_CONFIRM_DELETIONS": value}, tolerant=True).confirm_deletions
    ((_, sentence),) = faults_of(KLING_MCP_READ_ONLY=value)
    assert sentence.startswith("KLING_MCP_READ_ONLY")
    assert "counts as on" in sentence


def test_unclear_thumbnails_are_not_kept() -> None:
    assert not Settings.from_env({"KLING_MCP_THUMBNAILS": "small"}, tolerant=True).thumbnails


async def test_bad_address_answers_every_call_that_needs_kling(serve: Serve) -> None:
    async with serve(KLING_BASE_URL="http://api.example.com") as client:
        for tool, arguments in (("find_elements", {}), ("create_element", HOST), ("get_element", {"id": "1"})):
            said = await told(client, tool, **arguments)
            assert said.startswith("KLING_BASE_URL must be an https address")
            assert "kind=bad_input created=no retry=never" in said
            assert "restart the server. check_setup lists everything.\n" in said
            assert "docs/troubleshooting.md#settings\n" in said
        found = await setup(client)
        shown = await told(client, "check_setup")
    assert not found["ok"]
    assert found["problems"][0].startswith("bad_input: KLING_BASE_URL must be an https address")
    assert len(found["problems"]) == 1
    assert "check_setup" not in shown
    assert "docs/troubleshooting.md#settings" in shown


async def test_sandbox_works_with_credentials_that_cannot_be_right(serve: Serve) -> None:
    async with serve(KLING_MCP_SANDBOX="1", KLING_API_KEY='"quoted"', KLING_REGION="mars") as client:
        assert not (await client.call_tool("find_elements", {})).is_error
        assert any(problem.startswith("KLING_REGION") for problem in (await setup(client))["problems"])


async def test_unclear_sandbox_reaches_no_kling(serve: Serve) -> None:
    async with serve(KLING_MCP_SANDBOX="maybe") as client:
        assert (await told(client, "find_elements")).startswith("KLING_MCP_SANDBOX must be 1 or 0")


async def test_placeholder_for_the_only_key_is_named_as_missing(serve: Serve) -> None:
    async with serve(KLING_API_KEY="${KLING_API_KEY}") as client:
        said = await told(client, "find_elements")
    assert said.startswith("KLING_API_KEY holds a placeholder")
    assert "kind=missing_credentials" in said


def test_placeholder_in_the_path_of_a_key_file_is_named() -> None:
    ((need, sentence),) = faults_of(KLING_API_KEY_FILE="$HOME/kling-key")
    assert need == "credential"
    assert sentence.startswith("KLING_API_KEY_FILE holds the placeholder $HOME/kling-key")


def test_placeholder_for_one_credential_leaves_the_other() -> None:
    pair = {"KLING_ACCESS_KEY": ACCESS_KEY, "KLING_SECRET_KEY": SECRET_KEY, "KLING_API_KEY": "${KLING_API_KEY}"}
    assert Settings.from_env(pair, tolerant=True).credential_kind == "key_pair"
    key = {"KLING_API_KEY": API_KEY, "KLING_ACCESS_KEY": "${AK}", "KLING_SECRET_KEY": "${SK}"}
    settings = Settings.from_env(key, tolerant=True)
    assert settings.credential_kind == "api_key"
    assert {fault.need for fault in settings.faults} == {"credential"}


@pytest.mark.parametrize("name", ["KLING_MCP_MAX_CREATES", "KLING_MCP_CREATES_PER_DAY", "KLING_MCP_CREATES_PER_MINUTE"])
@pytest.mark.parametrize("value", ["many", "-1", "${LIMIT}"])
async def test_unclear_limit_on_creations_lets_none_through(serve: Serve, name: str, value: str) -> None:
    async with serve(**{name: value}) as client:
        said = await told(client, "create_element", **HOST)
        assert said.startswith(name)
        assert "created=no" in said
        assert not (await client.call_tool("find_elements", {})).is_error
        found = await setup(client)
    assert not found["ok"]
    assert found["problems"][0].startswith(name)


async def test_unclear_audit_log_lets_nothing_be_changed(serve: Serve) -> None:
    async with serve(KLING_MCP_AUDIT_LOG="audit.jsonl") as client:
        for tool, arguments in (("create_element", HOST), ("delete_element", {"id": "1", "confirm": True})):
            assert (await told(client, tool, **arguments)).startswith("KLING_MCP_AUDIT_LOG must be the full path")


async def test_unknown_tools_are_reported_and_the_others_offered(serve: Serve) -> None:
    async with serve(KLING_MCP_TOOLS="get_element,check_setup,bake_element") as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == {"get_element", "check_setup"}
        found = await setup(client)
    assert not found["ok"]
    assert found["problems"][0].startswith("KLING_MCP_TOOLS names bake_element, which is not a tool")
    async with serve(KLING_MCP_TOOLS="bake_element") as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == {"check_setup"}


async def test_unknown_toolsets_are_reported_and_the_others_offered(serve: Serve) -> None:
    async with serve(KLING_MCP_TOOLSETS="voices,film") as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        found = await setup(client)
    assert names == {"find_voices", "create_voice", "delete_voice", "wait_for_tasks", "check_setup"}
    assert found["problems"][0].startswith("KLING_MCP_TOOLSETS names film, which is not a toolset")
    async with serve(KLING_MCP_TOOLSETS="film") as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == {"wait_for_tasks", "check_setup"}
        assert "switched off on this server (KLING_MCP_TOOLSETS)" in await told(client, "find_elements")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KLING_MCP_SPENDING", "sometimes"),
        ("KLING_MCP_SPENDING", "${SPENDING}"),
        ("KLING_MCP_MAX_UNITS_PER_CALL", "few"),
        ("KLING_MCP_MAX_UNITS_PER_DAY", "${CAP}"),
    ],
)
async def test_unclear_setting_of_spending_hides_what_costs_and_is_reported(
    serve: Serve, name: str, value: str
) -> None:
    async with serve(**{name: value}) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        said = await told(client, "generate_video", prompt="A boat")
        found = await setup(client)
    assert not {"generate_video", "generate_image", "create_voice", "apply_production"} & names
    assert "find_generations" in names
    assert f"switched off on this server ({name})" in said
    assert any(problem.startswith(name) for problem in found["problems"])


async def test_misspelled_names_are_reported_with_the_nearest_one(serve: Serve) -> None:
    async with serve(KLING_MCP_STATE_FOLDER="/x", KLING_APIKEY="secret-CANARY") as client:
        found = await setup(client)
        said = await told(client, "check_setup")
    assert not found["ok"]
    assert found["problems"] == [
        "KLING_APIKEY is not a setting of kling-mcp; did you mean KLING_API_KEY?",
        "KLING_MCP_STATE_FOLDER is not a setting of kling-mcp; did you mean KLING_MCP_STATE_DIR?",
    ]
    assert said.startswith("The setup has a problem:")
    assert said.endswith("docs/troubleshooting.md#settings")


@pytest.mark.parametrize(
    "environ",
    [
        {"KLING_MCP_WAIT_SECONDS": "${WAIT}"},
        {"KLING_MCP_STATE_URL": "${DATABASE}"},
        {"KLING_ACCESS_KEY": "${ACCESS}", "KLING_SECRET_KEY": "${SECRET}"},
        {"KLING_QQQQQQ": "1"},
    ],
    ids=str,
)
async def test_variable_that_changes_nothing_is_a_note(serve: Serve, environ: dict[str, str]) -> None:
    async with serve(**environ) as client:
        found = await setup(client)
        said = await told(client, "check_setup")
    assert (found["ok"], found["problems"]) == (True, [])
    for name in environ:
        assert any(name in note for note in found["notes"])
    assert said.startswith("The setup works.\n")
    assert all(note in said for note in found["notes"])


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("KLING_ACCESSKEY", "; did you mean KLING_ACCESS_KEY?"),
        ("KLING_MCP_API_KEY", "; did you mean KLING_API_KEY?"),
        ("KLING_MCP_MEDIA_DIR", "; did you mean KLING_MCP_MEDIA_DIRS?"),
        ("KLING_KEY", "; did you mean KLING_API_KEY?"),
        ("KLING_MCP_BANANA", "."),  # only the beginning is alike
    ],
)
def test_nearest_name_is_near_beyond_what_all_begin_with(name: str, hint: str) -> None:
    ((_, sentence),) = faults_of(**{name: "x"})
    assert sentence == f"{name} is not a setting of kling-mcp{hint}"


def test_callers_over_http_learn_nothing_of_the_operators_variables(tmp_path: Path) -> None:
    environ = {"KLING_APIKEY": "x", "KLING_MCP_STATE_DIR": str(tmp_path)}
    settings = Settings.from_env(environ)
    assert [fault.need for fault in settings.faults] == ["nothing"]
    assert fault_sentences(Runtime(settings, transport="http")) == ([], [])
    assert len(fault_sentences(Runtime(settings))[0]) == 1


def test_unknown_names_are_bounded() -> None:
    found = unknown_names([f"KLING_{number}{'X' * 5000}" for number in range(500)], ["KLING_API_KEY"])
    assert len(found) == 11
    assert max(len(fault.sentence) for fault in found) < 200


class TestStateFolder:
    @pytest.mark.parametrize(
        "value",
        ["${CLAUDE_PROJECT_DIR}/.kling", "$HOME/.kling", "${userHome}/.kling", r"%APPDATA%\kling", "/data/${X}/kling"],
    )
    def test_unfilled_placeholder_in_a_path_never_becomes_a_folder(self, value: str) -> None:
        settings = Settings.from_env({"KLING_MCP_STATE_DIR": value}, tolerant=True)
        assert settings.state_dir is None
        assert settings.faults[0].sentence.startswith(f"KLING_MCP_STATE_DIR holds the placeholder {value}")
        with pytest.raises(ConfigurationError, match="KLING_MCP_STATE_DIR holds the placeholder"):
            Settings.from_env({"KLING_MCP_STATE_DIR": value})

    @pytest.mark.parametrize("quoted", ['"{}"', "'{}'", ' " {} " '])
    def test_quotes_of_a_file_of_variables_are_removed(self, tmp_path: Path, quoted: str) -> None:
        assert Settings.from_env({"KLING_MCP_STATE_DIR": quoted.format(tmp_path)}).state_dir == tmp_path

    @pytest.mark.parametrize("value", ["kling-state", "./state", "~nobody-has-this-name/x"])
    async def test_relative_folder_lets_look_ups_through_and_creates_nothing(
        self, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        async with serve(KLING_MCP_STATE_DIR=value) as client:
            said = await told(client, "create_element", **HOST)
            assert not (await client.call_tool("find_elements", {})).is_error
            assert not (await setup(client))["ok"]
        assert said.startswith("KLING_MCP_STATE_DIR")
        assert "created=no retry=never" in said
        assert os.listdir(tmp_path) == []  # noqa: PTH208 - ruff takes the other form for a wait

    def test_folder_with_a_dollar_inside_its_name_is_taken(self, tmp_path: Path) -> None:
        folder = tmp_path / "share$data"
        assert Settings.from_env({"KLING_MCP_STATE_DIR": str(folder)}).state_dir == folder

    async def test_user_without_a_home_is_asked_to_name_a_folder(
        self, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As containers run under a number that no list of users has."""
        monkeypatch.chdir(tmp_path)
        for name in ("HOME", "XDG_STATE_HOME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)
        with pytest.raises(ConfigurationError, match="KLING_MCP_STATE_DIR"):
            default_state_dir()
        async with serve(KLING_MCP_STATE_DIR="") as client:
            said = await told(client, "create_element", **HOST)
            assert not (await client.call_tool("find_elements", {})).is_error
            assert "set KLING_MCP_STATE_DIR" in (await setup(client))["problems"][0]
        assert "set KLING_MCP_STATE_DIR to the full path" in said
        assert "created=no" in said
        assert os.listdir(tmp_path) == []  # noqa: PTH208 - ruff takes the other form for a wait
        with pytest.raises(ConfigurationError, match="KLING_MCP_STATE_DIR"):
            Runtime(Settings(), transport="http")

    @pytest.mark.parametrize("url", ["mysql://u:CANARY-CANARY@db/kling", "postgresql://u:CANARY-CANARY@db/k?no=such"])
    async def test_database_that_cannot_be_used_lets_look_ups_through(self, serve: Serve, url: str) -> None:
        async with serve(KLING_MCP_STATE_URL=url) as client:
            said = await told(client, "create_element", **HOST)
            assert not (await client.call_tool("find_elements", {})).is_error
            assert not (await setup(client))["ok"]
        assert said.startswith("KLING_MCP_STATE_URL")
        assert "created=no" in said
        assert "CANARY" not in said


class TestOutputFolder:
    @pytest.mark.parametrize("value", ["films", "./films", "~nobody-has-this-name/x"])
    def test_folder_that_cannot_be_right_is_named_where_results_are_saved(self, value: str) -> None:
        settings = Settings.from_env({"KLING_MCP_OUTPUT_DIR": value}, tolerant=True)
        assert settings.output_folder("stdio") is None
        with pytest.raises(ConfigurationError, match="KLING_MCP_OUTPUT_DIR"):
            settings.require("saving")

    async def test_paid_call_is_refused_before_the_price_where_nothing_could_be_saved(self, serve: Serve) -> None:
        picture = {"prompt": "a red fox", "max_units": 8}
        async with serve(KLING_MCP_OUTPUT_DIR="./films") as client:
            for arguments in (picture, picture | {"dry_run": True}):
                said = await told(client, "generate_image", **arguments)
                assert said.startswith("KLING_MCP_OUTPUT_DIR must be the full path of a folder"), said
                assert "created=no retry=never" in said

    def test_relative_folder_begins_at_the_working_directory_of_a_shell(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        settings = Settings.from_env({"KLING_MCP_OUTPUT_DIR": "./films"}, at_shell=True)
        assert settings.output_folder("stdio") == tmp_path / "films"
        with pytest.raises(ConfigurationError, match="KLING_MCP_STATE_DIR"):
            Settings.from_env({"KLING_MCP_STATE_DIR": "./state"}, at_shell=True)

    @pytest.mark.parametrize("value", ["$HOME/films", "~nobody-has-this-name/x"])
    def test_folder_that_a_shell_did_not_fill_in_is_never_made(self, value: str) -> None:
        settings = Settings.from_env({"KLING_MCP_OUTPUT_DIR": value}, tolerant=True, at_shell=True)
        assert not settings.output_dir
        assert settings.faults

    def test_placeholder_in_the_path_leaves_the_default(self) -> None:
        settings = Settings.from_env({"KLING_MCP_OUTPUT_DIR": "${userHome}/films"}, tolerant=True)
        assert settings.output_dir is None
        settings.require("saving")
        assert "KLING_MCP_OUTPUT_DIR holds the placeholder" in settings.faults[0].sentence


class TestFolders:
    def test_placeholder_for_folders_means_no_local_files(self) -> None:
        settings = Settings.from_env({"KLING_MCP_MEDIA_DIRS": "${PICTURES}"}, tolerant=True)
        assert settings.media_dirs == ()
        policy = Runtime(settings).media_policy()
        assert policy.allowed_dirs == ()
        assert policy.local_files_off_reason.startswith("KLING_MCP_MEDIA_DIRS holds the placeholder ${PICTURES}")

    def test_folders_that_cannot_be_right_are_left_out(self, tmp_path: Path) -> None:
        value = os.pathsep.join([str(tmp_path), "pictures", "$HOME/Pictures"])
        settings = Settings.from_env({"KLING_MCP_MEDIA_DIRS": value}, tolerant=True)
        assert settings.media_dirs == (tmp_path,)
        assert [fault.need for fault in settings.faults] == ["files", "files"]

    async def test_missing_folder_is_refused_alone_and_reported(self, serve: Serve, tmp_path: Path) -> None:
        here, stick = tmp_path / "here", tmp_path / "stick"
        here.mkdir()
        picture = {**HOST, "reference_type": "image_refer", "video_url": ""}
        async with serve(KLING_MCP_MEDIA_DIRS=f"{here}{os.pathsep}{stick}") as client:
            found = await setup(client)
            said = await told(client, "create_element", **picture, frontal_image=str(stick / "a" / "mia.png"))
            other = await told(client, "create_element", **picture, frontal_image=str(here / "mia.png"))
        assert not found["ok"]
        assert f"'{stick}' is not one. Pictures there are refused while it is missing." in found["problems"][0]
        assert f'"{stick}" of KLING_MCP_MEDIA_DIRS is missing' in said
        assert "must be an existing file" in other


def test_hosts_of_kling_stay_the_default_for_an_unfilled_address() -> None:
    assert Settings.from_env({"KLING_BASE_URL": "${URL}"}, tolerant=True).base_url == HOSTS["global"]
