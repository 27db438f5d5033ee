"""The demo: the story as it is told, what it says when something goes wrong, and both ways of starting it."""

from __future__ import annotations

import io
import json
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from helpers import API_KEY
from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.server import MCPServer
from PIL import Image, ImageChops, ImageStat
from processes import COMMAND, ROOT, environ_with
from virtual_time import VirtualClock

from kling_mcp import cli
from kling_mcp.demo import texts
from kling_mcp.demo.request import PIP_PICTURES, DemoRequest, demo_request
from kling_mcp.demo.run import run_live_demo
from kling_mcp.demo.script import run
from kling_mcp.demo.servers import live_server, sandbox_server
from kling_mcp.elements.draft import ElementDraft
from kling_mcp.elements.preflight import prepare
from kling_mcp.errors import ConfigurationError, KlingError
from kling_mcp.media.policy import MediaPolicy
from kling_mcp.runtime import Runtime
from kling_mcp.server.build import build_server
from kling_mcp.settings import Settings
from kling_mcp.simulator import Faults, SimulatorTransport, World, served_in_background

PIP = demo_request("", "", (), live=False)
PIP_FOLDER = Path(PIP_PICTURES[0]).parent


class Screen(io.StringIO):
    """A terminal to look at."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Film:
    """A request for a clip, and the server that makes it."""

    wish: DemoRequest
    server: MCPServer[Any]


class Gone(io.StringIO):
    """An output that nobody reads beyond the second line, as behind `| head -2`."""

    def write(self, text: str) -> int:
        if self.getvalue().count("\n") == 2:
            raise BrokenPipeError
        return super().write(text)


# --- the story, on virtual time


@pytest.fixture
def server(tmp_path: Path, clock: VirtualClock, world: World, faults: Faults) -> MCPServer[Any]:
    """The real server in front of the simulated Kling; it may read Pip's pictures."""
    settings = Settings(api_key=API_KEY, media_dirs=(PIP_FOLDER,), state_dir=tmp_path)
    runtime = Runtime(settings, clock=clock, make_transport=lambda: SimulatorTransport(world, faults))
    return build_server(settings, runtime)


@pytest.mark.anyio
async def test_story_ends_with_the_element_that_kling_has(
    server: MCPServer[Any], clock: VirtualClock, world: World
) -> None:
    out = io.StringIO()
    row = await run(PIP, server, out, clock)
    [task] = world.account_of(API_KEY).elements.values()
    assert row["element_id"] == str(task.element_id)
    assert row["element_name"] == "Pip"
    told = out.getvalue()
    assert f"element_id {row['element_id']}\n" in told
    assert "create_element_and_wait, " in told
    assert all(picture in told for picture in PIP_PICTURES)
    assert '   Checking "Pip" (0 s)\n   Creating "Pip" at Kling (4 s)\n' in told, "plain lines for a log"
    assert '"Pip" is ready' in told


@pytest.mark.anyio
async def test_second_telling_finds_the_first_element(server: MCPServer[Any], clock: VirtualClock) -> None:
    first = await run(PIP, server, io.StringIO(), clock)
    out = io.StringIO()
    assert await run(PIP, server, out, clock) == first
    assert "already" in out.getvalue()


@pytest.mark.anyio
async def test_terminal_shows_a_bar_that_moves_and_ends_full(
    server: MCPServer[Any], clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    screen = Screen()
    await run(PIP, server, screen, clock)
    frames = [frame for frame in re.split(r"[\r\n]", screen.getvalue()) if re.search("Checking|Creating", frame)]
    filled = [re.sub(r"[^#█]", "", frame) for frame in frames]
    lengths = [len(bar) for bar in filled]
    assert len(set(lengths)) > 5, "between two reports it goes on by the clock"
    assert lengths == sorted(lengths)
    assert lengths[-1] == 30
    assert frames[-1].rstrip().endswith('Creating "Pip" at Kling (4 s)')


# --- the film


FILM_SECONDS = 40.0


def clips_in(folder: str | Path) -> list[Path]:
    return list(Path(folder).glob("*.mp4"))


@pytest.fixture
def film(tmp_path: Path, clock: VirtualClock, world: World, faults: Faults) -> Film:
    """The server of the story, with a folder for the clip."""
    world.durations = lambda kind, _rng: FILM_SECONDS if kind.startswith("video") else 5.0
    wish = replace(PIP, film_dir=str(tmp_path / "film"))
    settings = Settings(api_key=API_KEY, media_dirs=(PIP_FOLDER,), state_dir=tmp_path, output_dir=tmp_path / "film")
    runtime = Runtime(settings, clock=clock, make_transport=lambda: SimulatorTransport(world, faults))
    return Film(wish, build_server(settings, runtime))


@pytest.mark.anyio
async def test_film_says_the_price_then_pays_once_and_ends_on_the_disk(
    film: Film, clock: VirtualClock, world: World
) -> None:
    out = io.StringIO()
    row = await run(film.wish, film.server, out, clock)
    told = out.getvalue()
    [clip] = clips_in(film.wish.film_dir)
    assert told.index("3 video units") < told.index("max_units=3") < told.index("(32 s)") < told.index("Saved")
    assert f"   Saved: {clip} ({clip.stat().st_size:,} bytes)\n" in told
    [task] = world.generations.values()
    assert task.order.has_references
    assert row["element_id"] in json.loads(clip.with_suffix(".json").read_text("utf-8"))["elements"][0].values()
    assert world.ignored_fields == []


@pytest.mark.anyio
async def test_film_that_fails_is_shown_with_klings_reason(film: Film, clock: VirtualClock, faults: Faults) -> None:
    await run(PIP, film.server, io.StringIO(), clock)
    faults.fail_task("the robot is too shy")
    with pytest.raises(KlingError, match=r"generate_video failed:(.|\n)*too shy"):
        await run(film.wish, film.server, io.StringIO(), clock)


@pytest.mark.anyio
async def test_story_without_a_film_pays_for_nothing(film: Film, clock: VirtualClock, world: World) -> None:
    out = io.StringIO()
    await run(PIP, film.server, out, clock)
    assert not world.generations
    assert "units" not in out.getvalue()


@pytest.mark.parametrize(
    ("options", "said"),
    [(["--film", "--live"], "leave out --live"), (["--output-dir", "clips"], "add --film")],
)
def test_options_that_contradict_each_other_start_nothing(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["demo", *options], LIVE) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err


# --- what goes wrong


@pytest.mark.anyio
async def test_failed_task_is_shown_with_klings_reason(
    server: MCPServer[Any], clock: VirtualClock, faults: Faults
) -> None:
    faults.fail_task("the pictures show two different robots")
    screen = Screen()
    with pytest.raises(KlingError) as caught:
        await run(PIP, server, screen, clock)
    assert "create_element_and_wait failed" in caught.value.message
    assert "two different robots" in caught.value.message
    assert "kind=task_failed" in caught.value.message


@pytest.mark.anyio
async def test_wait_that_runs_out_names_the_task_and_the_next_step(
    server: MCPServer[Any], clock: VirtualClock, faults: Faults, world: World
) -> None:
    faults.slow_task(600)
    with pytest.raises(KlingError) as caught:
        await run(PIP, server, Screen(), clock)
    [task] = world.account_of(API_KEY).elements.values()
    assert f"task {task.task_id} is still running" in caught.value.message
    assert "get_element" in caught.value.advice or "wait_for_tasks" in caught.value.advice


@pytest.mark.anyio
async def test_warnings_of_the_server_are_passed_on(server: MCPServer[Any], clock: VirtualClock) -> None:
    twice = DemoRequest("Pip", "The same picture twice", (PIP_PICTURES[0], PIP_PICTURES[0]), wait_seconds=15)
    out = io.StringIO()
    await run(twice, server, out, clock)
    assert "   Note: refer_images[0] is the same picture as frontal_image" in out.getvalue()


@pytest.mark.anyio
async def test_demo_raises_broken_pipe_when_its_output_is_closed(server: MCPServer[Any], clock: VirtualClock) -> None:
    with pytest.raises(BrokenPipeError):
        await run(PIP, server, Gone(), clock)


# --- what is asked for, and of whom


def test_shipped_pictures_pass_our_own_checks() -> None:
    arguments = PIP.arguments()
    draft = ElementDraft(
        element_name=arguments["element_name"],
        element_description=arguments["element_description"],
        reference_type=arguments["reference_type"],
        frontal_image=arguments["frontal_image"],
        refer_images=tuple(arguments["refer_images"]),
        tags=tuple(arguments["tags"]),
    )
    prepared = prepare(draft, MediaPolicy(allowed_dirs=(PIP_FOLDER,)))
    assert prepared.warnings == ()
    assert all(Path(picture).stat().st_size < 60_000 for picture in PIP_PICTURES)


@pytest.mark.parametrize(("place", "turn"), [(0, 0.0), (1, 42.0)])
def test_shipped_pictures_are_what_the_script_draws(place: int, turn: float) -> None:
    """Nearly: encoders differ from version to version."""
    drawn = runpy.run_path(str(ROOT / "tools" / "draw_demo_pictures.py"))["paint"](turn)
    with Image.open(PIP_PICTURES[place]) as shipped:
        assert max(ImageStat.Stat(ImageChops.difference(drawn, shipped)).mean) < 2


def test_own_pictures_bring_their_own_name_and_folder(tmp_path: Path) -> None:
    picture = tmp_path / "me.jpg"
    picture.touch()
    wish = demo_request("Me", "", (str(picture), "https://example.com/side.jpg"), live=True)
    assert wish.description == "Me"
    assert wish.folders() == [str(tmp_path)]
    assert live_server(wish, {}).env == {"KLING_MCP_MEDIA_DIRS": str(tmp_path)}


def test_links_need_no_folder() -> None:
    wish = demo_request("Me", "in a hat", ("https://example.com/a.jpg", "https://example.com/b.jpg"), live=False)
    assert wish.description == "in a hat"
    assert "KLING_MCP_MEDIA_DIRS" not in (sandbox_server(wish, "/state", {}).env or {})


USERS_OWN = {
    "KLING_API_KEY": "key",
    "KLING_BASE_URL": "https://example.com",
    "KLING_MCP_READ_ONLY": "1",
    "KLING_MCP_TOOLS": "check_setup",
    "KLING_MCP_STATE_DIR": "/mine",
    "HTTPS_PROXY": "http://proxy",
    "PYTHONPATH": "/src",
}


def test_sandbox_run_takes_nothing_of_the_users_settings() -> None:
    assert sandbox_server(PIP, "/tmp/state", USERS_OWN).env == {  # noqa: S108 - only a word here
        "KLING_MCP_SANDBOX": "1",
        "KLING_MCP_STATE_DIR": "/tmp/state",  # noqa: S108 - the same
        "KLING_MCP_MEDIA_DIRS": str(PIP_FOLDER),
        "PYTHONPATH": "/src",
    }


def test_live_run_takes_credentials_and_state_but_no_restrictions() -> None:
    kept = {name: value for name, value in USERS_OWN.items() if name not in {"KLING_MCP_READ_ONLY", "KLING_MCP_TOOLS"}}
    assert live_server(PIP, USERS_OWN).env == {**kept, "KLING_MCP_MEDIA_DIRS": str(PIP_FOLDER)}


# --- what is printed at the end


@pytest.mark.parametrize(("element_id", "written"), [("857394857394857394", "857394857394857394"), ("u_12", '"u_12"')])
def test_id_is_written_with_all_its_digits(element_id: str, written: str) -> None:
    fragment = texts.usage({"element_id": element_id}).splitlines()[-1].strip()
    assert json.loads(fragment)["prompt"].startswith("<<<element_1>>>")
    assert f'"element_list": [{{"element_id": {written}}}]' in fragment


def test_block_for_assistants_is_json_that_starts_this_installation() -> None:
    text = texts.connection(live=False, environ={"KLING_API_KEY": "a-key-of-mine"})
    assert "a-key-of-mine" not in text
    block = json.loads(text[text.index("{") : text.rindex("}\nWithout") + 1])
    server = block["mcpServers"]["kling"]
    version = subprocess.run(
        [server["command"], *server["args"], "--version"], env=environ_with(), capture_output=True, check=True
    )
    assert version.stdout.startswith(b"kling-mcp ")


# --- real processes


@pytest.fixture(scope="module")
def demo_room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def sandbox_demo(demo_room: Path) -> Iterator[subprocess.Popen[str]]:
    """`kling-mcp demo`, begun early because it takes as long as Kling does; around it settings that cannot be right.

    Its working directory is also where its temporary files go.
    """
    environ = environ_with(
        KLING_API_KEY="${UNFILLED}", KLING_ACCESS_KEY="half", KLING_MCP_TOOLS="nothing", TMPDIR=str(demo_room)
    )
    with subprocess.Popen(
        [*COMMAND, "demo"], env=environ, cwd=demo_room, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as process:
        yield process
        process.kill()


@pytest.mark.usefixtures("sandbox_demo")
def test_live_demo_asks_and_then_creates_one_element(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    world = World(api_keys=[API_KEY], durations=lambda _kind, _rng: 0.1)
    monkeypatch.setattr(sys, "stdin", _typed("y\n"))
    with served_in_background(world) as url:
        environ = environ_with(KLING_API_KEY=API_KEY, KLING_BASE_URL=url, KLING_MCP_STATE_DIR=str(tmp_path))
        code = cli.main(["demo", "--live"], environ)
    out, err = capfd.readouterr()
    assert (code, err) == (0, "")
    [task] = world.account_of(API_KEY).elements.values()
    assert out.index("Creating elements is free") < out.index("1. The server offers")
    assert f'element_id="{task.element_id}" and element_name="kmcp demo"' in out
    assert API_KEY not in out


def test_demo_ends_with_an_element_id_and_leaves_nothing_behind(
    sandbox_demo: subprocess.Popen[str], demo_room: Path
) -> None:
    out, err = sandbox_demo.communicate(timeout=40)
    assert (sandbox_demo.returncode, err) == (0, "")
    assert re.search(r"Ready after [\d.]+ seconds: element_id \d{15}\n", out)
    assert '"mcpServers"' in out
    assert list(demo_room.iterdir()) == []


def test_demo_with_a_film_leaves_the_clip_and_its_data_alone(tmp_path: Path) -> None:
    """In the folder given, or in a temporary one. Both at once, since they take as long as Kling does."""
    begun = []
    for begin, options in (("clips", ["--output-dir", "clips"]), ("kling-mcp-film-", [])):
        room = tmp_path / begin
        room.mkdir()
        command = [*COMMAND, "demo", "--film", *options]
        environ = environ_with(TMPDIR=str(room))
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
        begun.append((begin, room, subprocess.Popen(command, env=environ, cwd=room, **pipes)))
    for begin, room, process in begun:
        with process:
            out, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (0, "")
        [folder] = room.iterdir()
        assert folder.name.startswith(begin)
        [clip] = clips_in(folder)
        assert b"ftyp" in clip.read_bytes()[:12]
        assert f"Saved: {clip} (" in out


@pytest.mark.anyio
async def test_server_that_does_not_start_is_one_sentence() -> None:
    broken = StdioServerParameters(command=sys.executable, args=["-c", "raise SystemExit(3)"])
    with pytest.raises(KlingError, match=r"^The server ended or did not answer: "):
        await run(PIP, stdio_client(broken), io.StringIO())


# --- consent


def _typed(text: str) -> io.TextIOWrapper:
    """A terminal at which this was typed."""

    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    return Terminal(io.BytesIO(text.encode()), "utf-8")


LIVE = {"KLING_API_KEY": API_KEY, "KLING_BASE_URL": "http://127.0.0.1:9"}


@pytest.mark.parametrize("answer", ["n\n", "\n", "maybe\n", ""])
def test_live_demo_sends_nothing_without_a_yes(
    answer: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", _typed(answer))
    assert cli.main(["demo", "--live"], LIVE) == 1
    out = capsys.readouterr().out
    assert out.endswith("Nothing was sent.\n")
    assert "1. The server offers" not in out


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "KLING_API_KEY"),
        ({"KLING_API_KEY": "key", "KLING_MCP_SANDBOX": "1"}, "KLING_MCP_SANDBOX"),
        ({"KLING_ACCESS_KEY": "half"}, "KLING_SECRET_KEY"),
        (LIVE, "--yes"),
    ],
)
def test_live_demo_says_what_it_needs(environ: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(ConfigurationError, match=said):
        run_live_demo(PIP, environ, assume_yes=False)


def test_unreadable_picture_ends_the_demo_with_the_servers_words(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """With --yes nobody is asked."""
    environ = environ_with(**LIVE, KLING_MCP_STATE_DIR=str(tmp_path))
    argv = ["demo", "--live", "--yes", "--picture", str(tmp_path / "no.jpg"), "--picture", str(tmp_path / "none.jpg")]
    assert cli.main(argv, environ) == 1
    err = capsys.readouterr().err
    assert err.startswith("kling-mcp: create_element_and_wait failed:\n2 problems with the input:\n")
