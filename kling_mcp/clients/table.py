"""The table of clients: where each one keeps its servers, in which form, and what adds one with a click or a command.

Each row names the page that documents it, read in November 2026. Paths begin with `~`, `%APPDATA%` or `%USERPROFILE%`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Form = Literal["mcp_servers", "vscode", "copilot", "zed", "codex", "goose"]
LinkForm = Literal["base64", "json", "vscode", "goose"]
Adder = Literal["claude", "code", "code-insiders", "codex", "copilot", "gemini"]


@dataclass(frozen=True, slots=True)
class Files:
    """Where a client keeps its servers for the user, and for one project ("" if it has no such file)."""

    macos: str
    windows: str
    linux: str
    project: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """A link that adds a server: `app` opens the program itself, `web` a page that opens it.

    Pages such as GitHub's show only links of the second kind.
    """

    form: LinkForm
    app: str
    web: str


@dataclass(frozen=True, slots=True)
class Client:
    """One client.

    Attributes:
        form: how its file lists servers.
        adder: its command that adds a server, or "".
        then: what to do afterwards; one sentence.
        source: the page that documents all of this.
        aliases: other names that people type.
    """

    id: str
    name: str
    form: Form
    files: Files
    then: str
    source: str
    link: Link | None = None
    adder: Adder | Literal[""] = ""
    aliases: tuple[str, ...] = ()


def _home(path: str, project: str = "") -> Files:
    """A file in the home folder of every system."""
    return Files(path, path.replace("~/", "%USERPROFILE%/").replace("/", "\\"), path, project)


# What most clients read that are not in the table.
OTHER = Client(
    "other",
    "Any other client",
    "mcp_servers",
    Files("", "", ""),
    "Restart the client.",
    "https://modelcontextprotocol.io/docs/develop/connect-local-servers",
    aliases=("any", "generic", "cline", "mcp-inspector"),
)

CLIENTS: tuple[Client, ...] = (
    Client(
        "claude-desktop",
        "Claude Desktop",
        "mcp_servers",
        # Its documentation names macOS and Windows; the file for Linux is where builds for Linux look.
        Files(
            "~/Library/Application Support/Claude/claude_desktop_config.json",
            r"%APPDATA%\Claude\claude_desktop_config.json",
            "~/.config/Claude/claude_desktop_config.json",
        ),
        "Quit Claude Desktop completely and start it again.",
        "https://modelcontextprotocol.io/docs/develop/connect-local-servers",
    ),
    Client(
        "claude-code",
        "Claude Code",
        "mcp_servers",
        _home("~/.claude.json", ".mcp.json"),
        "In a chat, /mcp shows the server.",
        "https://code.claude.com/docs/en/mcp",
        adder="claude",
    ),
    Client(
        "cursor",
        "Cursor",
        "mcp_servers",
        _home("~/.cursor/mcp.json", ".cursor/mcp.json"),
        "Settings, then Tools & MCP, shows the server; switch it on there.",
        "https://cursor.com/docs/mcp/install-links",
        Link("base64", "cursor://anysphere.cursor-deeplink/mcp/install", "https://cursor.com/en/install-mcp"),
    ),
    Client(
        "vscode",
        "VS Code",
        "vscode",
        Files(
            "~/Library/Application Support/Code/User/mcp.json",
            r"%APPDATA%\Code\User\mcp.json",
            "~/.config/Code/User/mcp.json",
            ".vscode/mcp.json",
        ),
        "MCP: List Servers in the Command Palette starts the server.",
        "https://code.visualstudio.com/api/extension-guides/ai/mcp",
        Link("vscode", "vscode:mcp/install", "https://vscode.dev/redirect/mcp/install"),
        "code",
        ("vs-code", "visual-studio-code", "code"),
    ),
    Client(
        "vscode-insiders",
        "VS Code Insiders",
        "vscode",
        Files(
            "~/Library/Application Support/Code - Insiders/User/mcp.json",
            r"%APPDATA%\Code - Insiders\User\mcp.json",
            "~/.config/Code - Insiders/User/mcp.json",
            ".vscode/mcp.json",
        ),
        "MCP: List Servers in the Command Palette starts the server.",
        "https://code.visualstudio.com/api/extension-guides/ai/mcp",
        Link(
            "vscode",
            "vscode-insiders:mcp/install",
            "https://insiders.vscode.dev/redirect/mcp/install?quality=insiders",
        ),
        "code-insiders",
        ("vs-code-insiders", "code-insiders", "insiders"),
    ),
    Client(
        "lm-studio",
        "LM Studio",
        "mcp_servers",
        _home("~/.lmstudio/mcp.json"),
        "Switch the server on in the chat's Integrations.",
        "https://lmstudio.ai/docs/app/mcp/deeplink",
        Link("base64", "lmstudio://add_mcp", "https://lmstudio.ai/install-mcp"),
        aliases=("lmstudio",),
    ),
    Client(
        "goose",
        "Goose",
        "goose",
        Files(
            "~/.config/goose/config.yaml", r"%APPDATA%\Block\goose\config\config.yaml", "~/.config/goose/config.yaml"
        ),
        "Start a new session.",
        # The link takes only uvx, docker and a few others as a command, and only the names of variables:
        # ui/desktop/src/components/settings/extensions/deeplink.ts in its repository.
        "https://block.github.io/goose/docs/getting-started/using-extensions",
        Link("goose", "goose://extension", "https://block.github.io/goose/extension"),
    ),
    Client(
        "kiro",
        "Kiro",
        "mcp_servers",
        _home("~/.kiro/settings/mcp.json", ".kiro/settings/mcp.json"),
        "The MCP Servers view of the Kiro panel shows the server.",
        "https://kiro.dev/docs/mcp/configuration",
        Link("json", "kiro://kiro.mcp/add", "https://kiro.dev/launch/mcp/add"),
    ),
    Client(
        "windsurf",
        "Windsurf",
        "mcp_servers",
        _home("~/.codeium/windsurf/mcp_config.json"),
        "Refresh the servers in Cascade's MCP settings.",
        "https://docs.windsurf.com/windsurf/cascade/mcp",
    ),
    Client(
        "zed",
        "Zed",
        "zed",
        Files("~/.config/zed/settings.json", r"%APPDATA%\Zed\settings.json", "~/.config/zed/settings.json"),
        "A green dot beside the server in the Agent Panel's settings means that it runs.",
        "https://zed.dev/docs/ai/mcp",
    ),
    Client(
        "codex",
        "Codex",
        "codex",
        _home("~/.codex/config.toml", ".codex/config.toml"),
        "In a session, /mcp shows the server.",
        "https://developers.openai.com/codex/mcp",
        adder="codex",
        aliases=("codex-cli",),
    ),
    Client(
        "gemini-cli",
        "Gemini CLI",
        "mcp_servers",
        _home("~/.gemini/settings.json", ".gemini/settings.json"),
        "In a session, /mcp shows the server.",
        "https://github.com/google-gemini/gemini-cli/blob/main/docs/tools/mcp-server.md",
        adder="gemini",
        aliases=("gemini",),
    ),
    Client(
        "copilot-cli",
        "Copilot CLI",
        "copilot",
        _home("~/.copilot/mcp-config.json", ".mcp.json"),
        "In a session, /mcp show lists the server.",
        "https://docs.github.com/en/copilot/reference/copilot-cli-reference/cli-command-reference",
        adder="copilot",
        aliases=("copilot", "github-copilot-cli"),
    ),
    OTHER,
)


def find_client(name: str) -> Client | None:
    """The client of that id, name or alias; the case, spaces and underscores do not matter."""
    wanted = "-".join(name.lower().replace("_", " ").split())
    for client in CLIENTS:
        if wanted in {client.id, client.name.lower().replace(" ", "-"), *client.aliases}:
            return client
    return None
