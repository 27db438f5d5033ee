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
    name: str
    environ: dict[str, str]
    needs: str = ""  # a Python newer than ours


# Their keys are asked for at the start and used at the first call, which never comes.
_PEERS = (
    _Peer("mcp-kling", {"ACEDATACLOUD_API_TOKEN": _NO_KEY}),
    _Peer("klingai-api", {"KLINGAI_ACCESS_KEY": _NO_KEY, "KLINGAI_SECRET_KEY": _NO_KEY}, needs="3.14"),
    _Peer("elevenlabs-mcp", {"ELEVENLABS_API_KEY": _NO_KEY}),
    _Peer("minimax-mcp", {"MINIMAX_API_KEY": _NO_KEY, "MINIMAX_API_HOST": "https://minimax.invalid"}),
)


def peers() -> tuple[list[Contestant], list[str]]:
    """Those that could be installed and answer, and for each other one a line with the reason."""
    present: list[Contestant] = []
    absent: list[str] = []
    for peer in _PEERS:
        try:
            folder = environment(peer.name, [peer.name], python=interpreter(peer.needs))
            version = version_in(folder, peer.name)
            found = Contestant(f"{peer.name} {version}", (str(folder / peer.name),), peer.environ, _sdk(folder))
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
