"""The servers that are compared, and how each is started: ours, the floor, and servers that others wrote.

Ours and the floor share an environment that holds kling-mcp and what it needs, and nothing of its developers: the SDK
imports more where more is installed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from measuring.conversation import Conversation, NoAnswerError
from measuring.environments import ROOT, CannotInstallError, environment, interpreter, version_in

CORE = (
    "create_element",
    "create_element_and_wait",
    "wait_for_tasks",
    "get_element",
    "list_elements",
    "list_preset_elements",
    "delete_element",
)
_NO_KEY = "none-is-needed-for-this"
_NO_VENDOR = "http://127.0.0.1:9"


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server over stdio: its name in the tables, how it is started, and the SDK that it stands on."""

    name: str
    command: tuple[str, ...]
    environ: dict[str, str] = field(default_factory=dict)
    sdk: str = ""

    def start(self) -> Conversation:
        """A new process."""
        return Conversation(self.command, self.environ)


def own_environment(*, quick: bool = False) -> Path:
    """Where ours and the floor run: as a user has it, or the running environment for a quick look."""
    if quick:
        return Path(sys.executable).parent
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    return environment("kling-mcp", ["--editable", str(ROOT)], python=interpreter(), changes_with=project)


def ours(folder: Path, state: Path, name: str = "kling-mcp", **settings: str) -> Contestant:
    """The command that users start, with these settings besides a key and a folder for its state."""
    environ = {"KLING_API_KEY": _NO_KEY, "KLING_MCP_STATE_DIR": str(state), **settings}
    return Contestant(name, (str(folder / "kling-mcp"),), environ, _sdk(folder))


def floor(folder: Path) -> Contestant:
    """The bare server; started in the words that an installed command consists of."""
    words = "import sys; from measuring.bare_server import main; sys.exit(main())"
    here = str(Path(__file__).resolve().parents[1])
    return Contestant("bare server", (str(folder / "python"), "-c", words), {"PYTHONPATH": here}, _sdk(folder))


@dataclass(frozen=True, slots=True)
class _Peer:
    """`{vendor}` and `{folder}` in `environ` are an address and a folder that exists; `words` start it if it cannot be
    sent to another address by its settings.
    """

    name: str
    environ: dict[str, str]
    needs: str = ""  # a Python newer than ours
    extras: str = ""
    words: str = ""


_ELEVENLABS = """
import os, sys, elevenlabs_mcp.utils as utils
utils.parse_location = lambda _: os.environ["BENCHMARK_VENDOR"]
from elevenlabs_mcp.server import main
sys.exit(main())
"""
# Their keys are asked for at the start; what they call is on this computer.
_PEERS = (
    _Peer("mcp-kling", {"ACEDATACLOUD_API_TOKEN": _NO_KEY, "ACEDATACLOUD_API_BASE_URL": "{vendor}"}),
    _Peer("klingai-api", {"KLINGAI_ACCESS_KEY": _NO_KEY, "KLINGAI_SECRET_KEY": _NO_KEY}, needs="3.14"),
    _Peer(
        "elevenlabs-mcp",
        {
            "ELEVENLABS_API_KEY": _NO_KEY,
            "ELEVENLABS_MCP_BASE_PATH": "{folder}",
            "BENCHMARK_VENDOR": "{vendor}",
        },
        words=_ELEVENLABS,
    ),
    _Peer(
        "minimax-mcp",
        {"MINIMAX_API_KEY": _NO_KEY, "MINIMAX_API_HOST": "{vendor}", "MINIMAX_MCP_BASE_PATH": "{folder}"},
    ),
    _Peer(
        "sanzaru",
        {
            "OPENAI_API_KEY": _NO_KEY,
            "HF_KEY": f"{_NO_KEY}:{_NO_KEY}",
            "HIGGSFIELD_BASE_URL": "{vendor}",
            "SANZARU_MEDIA_PATH": "{folder}",
        },
        extras="[mcp,image,video]",
    ),
)


def peers(folder: Path, vendor: str = _NO_VENDOR) -> tuple[list[Contestant], list[str]]:
    """Those that could be installed and answer, and for each other one a line with the reason.

    `folder` exists and takes what they save; `vendor` is the address of what they call.
    """
    present: list[Contestant] = []
    absent: list[str] = []
    for peer in _PEERS:
        try:
            home = environment(peer.name, [f"{peer.name}{peer.extras}"], python=interpreter(peer.needs))
            command = (str(home / "python"), "-c", peer.words) if peer.words else (str(home / peer.name),)
            environ = {name: text.format(vendor=vendor, folder=folder) for name, text in peer.environ.items()}
            found = Contestant(f"{peer.name} {version_in(home, peer.name)}", command, environ, _sdk(home))
            with found.start() as conversation:
                conversation.hello()
        except (CannotInstallError, NoAnswerError, OSError) as reason:
            absent.append(f"left out: {peer.name}, {reason}")
        else:
            present.append(found)
    return present, absent


def _sdk(folder: Path) -> str:
    version = version_in(folder, "mcp")
    return f"mcp {version}" if version else "-"
