"""The settings, read once from the environment and validated; nothing else reads variables of ours.

Over http, and in a command or a program, a wrong value is an error. Over stdio it is a `Fault`: the server starts, and
a call that needs the setting gets the sentence. Where a safe value is known, it is used: a broken read-only switch is
on, a broken list of folders allows none, and a broken limit on creations allows no creation.

Every error names the variable, and none shows the value of a secret.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kling_mcp._version import __version__
from kling_mcp.errors import ConfigurationError
from kling_mcp.settings.environment import Environment, LogFormat, LogLevel
from kling_mcp.settings.extra_models import ExtraModel, read_extra_models
from kling_mcp.settings.faults import Fault, Need
from kling_mcp.settings.hosting import HostingSettings, read_hosting
from kling_mcp.settings.spending import SpendingSettings, read_spending
from kling_mcp.settings.values import (
    Region,
    passwords_in,
    read_address,
    read_database_url,
    read_region,
    refuse_half_a_pair,
    refuse_token_as_key,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kling_mcp.errors import Details

Transport = Literal["stdio", "http"]

HOSTS: dict[Region, str] = {
    "global": "https://api-singapore.klingai.com",  # fact: host-global
    "china": "https://api-beijing.klingai.com",  # fact: host-china
}
MAX_WAIT_SECONDS = 600
# Other programs for Kling call the address so; the first one that is set counts.
ADDRESS_NAMES = ("KLING_BASE_URL", "KLING_API_BASE_URL", "KLING_API_BASE")
_FILES_OFF: dict[Transport, str] = {
    "http": "this server is reached over http and cannot see files on your computer; its operator can allow folders "
    "with KLING_MCP_MEDIA_DIRS",
    "stdio": "this server has neither a home folder nor a working folder; KLING_MCP_MEDIA_DIRS can allow others",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set, after validation. `repr` shows no secret.

    `access_key` and `secret_key` are either both set or both empty. `base_url` has no trailing slash.
    `media_dirs` is None where the variable is unset; `readable_dirs()` then gives the defaults.
    `output_dir` is None where the variable is unset, and False where nothing is saved; see `output_folder()`.
    `tools` and `toolsets` are empty for "all of them". `faults` lists what is wrong while the server runs anyway.
    """

    api_key: str = ""
    access_key: str = ""
    secret_key: str = ""
    region: Region = "global"
    base_url: str = HOSTS["global"]
    sandbox: bool = False
    read_only: bool = False
    confirm_deletions: bool = False
    tools: tuple[str, ...] = ()
    media_dirs: tuple[Path, ...] | None = None
    output_dir: Path | Literal[False] | None = None
    state_dir: Path | None = None
    state_url: str = ""
    wait_seconds: int = 45
    max_creates: int = 3
    thumbnails: bool = True
    extra_models: tuple[ExtraModel, ...] = ()
    spending: SpendingSettings = field(default_factory=SpendingSettings)
    toolsets: tuple[str, ...] = ()
    shared_account: bool = False
    hosting: HostingSettings = field(default_factory=HostingSettings)
    log_level: LogLevel = "WARNING"
    log_format: LogFormat = "text"
    faults: tuple[Fault, ...] = ()

    def __repr__(self) -> str:
        return f"<Settings region={self.region} base_url={self.base_url} credential={self.credential_kind}>"

    @property
    def credential_kind(self) -> str:
        """`sandbox`, `api_key`, `key_pair` or `none`."""
        if self.sandbox:
            return "sandbox"
        if self.api_key:
            return "api_key"
        return "key_pair" if self.access_key else "none"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be shown."""
        hosting = self.hosting
        keys = (self.api_key, self.access_key, self.secret_key, hosting.token, *hosting.webhook_secrets, self.state_url)
        return tuple(value for value in (*keys, *passwords_in(self.state_url)) if value)

    def readable_dirs(self, transport: Transport) -> tuple[Path, ...]:
        """The folders from which local pictures may be read.

        Over http there are none unless they are configured. Over stdio the default is the working directory
        and the home directory, except a root directory: several desktop clients start their servers there, and
        in containers it may even be the home directory.
        """
        if self.media_dirs is not None:
            return self.media_dirs
        if transport == "http":
            return ()
        return tuple(folder for folder in (_working_dir(), _home_dir()) if folder and folder.parent != folder)

    def why_no_files(self, transport: Transport) -> str:
        """Why a local picture outside of `readable_dirs` may not be read, where there are none."""
        return self.fault_sentences("files") or _FILES_OFF[transport]

    def output_folder(self, transport: Transport) -> Path | None:
        """Where results are saved, as a full path; None if they are not.

        Over stdio the default is a folder in the user's video folder. Over http and in the sandbox nothing is saved
        unless a folder is configured.
        """
        if self.output_dir is not None:
            return self.output_dir or None
        return None if transport == "http" or self.sandbox else default_output_dir()

    def why_unsaved(self, transport: Transport) -> str:
        """Why results are not saved and what to do, in a sentence that names the variable; "" if they are saved."""
        if wrong := self.fault_sentences("saving"):
            return f"Results are not saved: {wrong}"
        if self.read_only:
            return "Results are not saved, because this server changes nothing (KLING_MCP_READ_ONLY)."
        if self.output_folder(transport) is not None:
            return ""
        do = (
            "download them" if transport == "http" else "to save them, set KLING_MCP_OUTPUT_DIR to a folder's full path"
        )
        why = "KLING_MCP_OUTPUT_DIR is off" if self.output_dir is False else "no KLING_MCP_OUTPUT_DIR is set"
        return f"Results are not saved here ({why}), and Kling's links end after 30 days: {do}."

    def sandbox_folder(self) -> Path | None:
        """Where commands of a shell keep the sandbox; None if there is no place. Another version begins anew."""
        with suppress(ConfigurationError):
            return (self.state_dir or default_state_dir()) / f"sandbox-{__version__}"
        return None

    def fault_sentences(self, *needs: Need) -> str:
        """What is wrong with the settings that this needs, or ""."""
        return " ".join(dict.fromkeys(fault.sentence for fault in self.faults if fault.need in needs))

    def require(self, *needs: Need) -> None:
        """Nothing is wrong with the settings that this needs.

        Raises:
            ConfigurationError: says what is wrong, with the names of the variables.
        """
        if said := self.fault_sentences(*needs):
            raise ConfigurationError(said, **FAULT_DETAILS)

    @classmethod
    def from_env(
        cls,
        environ: Mapping[str, str] | None = None,
        *,
        tolerant: bool = False,
        at_shell: bool = False,
        options: Mapping[str, str] | None = None,
    ) -> Settings:
        """Read and validate. If `tolerant`, as over stdio, what is wrong is in `faults` instead of an error.

        If `at_shell`, a relative output folder begins at the working directory. `options` has, for each variable that
        an option of the command has set, the option, which a sentence then names.

        Raises:
            ConfigurationError: one sentence that names the variable.
        """
        values = os.environ if environ is None else environ
        env = Environment(values, tolerant=tolerant, at_shell=at_shell, options=options)
        api_key, access_key, secret_key = _read_credentials(env)
        region: Region = env.read("kling", lambda: read_region(env.text("KLING_REGION")), "global")
        count = partial(env.number, must_be_filled=True)
        return cls(
            api_key=api_key,
            access_key=access_key,
            secret_key=secret_key,
            region=region,
            base_url=env.read("kling", lambda: _read_base_url(env), "") or HOSTS[region],
            sandbox=env.read("kling", lambda: env.flag("KLING_MCP_SANDBOX"), otherwise=False),
            read_only=_read_safety(env, "KLING_MCP_READ_ONLY"),
            confirm_deletions=_read_safety(env, "KLING_MCP_CONFIRM_DELETIONS"),
            tools=env.names("KLING_MCP_TOOLS"),
            media_dirs=env.read("files", lambda: env.folders("KLING_MCP_MEDIA_DIRS"), ()),
            output_dir=env.read("saving", lambda: _read_output_dir(env), otherwise=False),
            state_dir=env.read("state", lambda: env.full_path("KLING_MCP_STATE_DIR", "a folder"), None),
            state_url=_read_state_url(env),
            wait_seconds=env.read("nothing", lambda: env.number("KLING_MCP_WAIT_SECONDS", 45, 0, MAX_WAIT_SECONDS), 45),
            max_creates=env.read("creating", lambda: count("KLING_MCP_MAX_CREATES", 3, 1, 100), 1),
            thumbnails=_read_thumbnails(env),
            shared_account=env.read("nothing", lambda: env.flag("KLING_MCP_SHARED_ACCOUNT"), otherwise=False),
            extra_models=env.read("nothing", lambda: read_extra_models(env), ()),
            spending=read_spending(env),
            toolsets=env.names("KLING_MCP_TOOLSETS"),
            hosting=read_hosting(env),
            log_level=env.read("nothing", lambda: env.log_level("KLING_MCP_LOG_LEVEL"), "WARNING"),
            log_format=env.read("nothing", lambda: env.log_format("KLING_MCP_LOG_FORMAT"), "text"),
            faults=(*env.faults, *env.unknown()),
        )


_ON, _OFF = "It counts as on.", "It counts as off."
FAULT_DETAILS: Details = {
    "advice": "Correct it in your client's configuration, and restart the server.",
    "pointer": "check_setup lists everything.",
}


def _read_credentials(env: Environment) -> tuple[str, str, str]:
    """The API key, and both halves of the pair."""

    def key(name: str) -> str:
        return env.tolerant_secret(name, "kling", unfilled="credential")

    access_key, secret_key = key("KLING_ACCESS_KEY"), key("KLING_SECRET_KEY")

    def pair() -> tuple[str, str]:
        refuse_half_a_pair(access_key, secret_key)
        return access_key, secret_key

    def api_key() -> str:
        value = key("KLING_API_KEY")
        refuse_token_as_key(value)
        return value

    access_key, secret_key = env.read("credential", pair, ("", ""))
    return env.read("kling", api_key, ""), access_key, secret_key


def _read_thumbnails(env: Environment) -> bool:
    return env.read("nothing", lambda: env.flag("KLING_MCP_THUMBNAILS", default=True), otherwise=False, meanwhile=_OFF)


def _read_safety(env: Environment, name: str) -> bool:
    """A switch that keeps something from happening; one that is not clear is on."""
    return env.read("nothing", lambda: env.flag(name, unfilled="1"), otherwise=True, meanwhile=_ON)


def _read_base_url(env: Environment) -> str:
    """Without a final slash; "" if no name of it is set."""
    given = [(name, env.text(name)) for name in ADDRESS_NAMES]
    name, value = next((pair for pair in given if pair[1]), given[0])
    return read_address(name, value, example=HOSTS["global"]).rstrip("/")


def _read_state_url(env: Environment) -> str:
    name = "KLING_MCP_STATE_URL"
    value = env.tolerant_secret(name, "state")
    return env.read("state", lambda: read_database_url(name, value), "")


def _read_output_dir(env: Environment) -> Path | Literal[False] | None:
    name = "KLING_MCP_OUTPUT_DIR"
    if env.text(name).lower() in {"off", "0", "no", "false", "none"}:
        return False
    return env.shell_path(name, "a folder, or off")


def _home_dir() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # a user without a passwd entry, as in containers
        return None


def _working_dir() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:  # it was deleted in the meantime
        return None


MISSING_CREDENTIALS_ADVICE = (
    "Set KLING_API_KEY (or KLING_ACCESS_KEY and KLING_SECRET_KEY) as a variable of your shell, or for an assistant in "
    'the "env" block of its configuration, and restart the server. To try everything without an account, set '
    "KLING_MCP_SANDBOX=1."
)


def missing_credentials(reason: str = "") -> ConfigurationError:
    """The error of every tool that needs Kling while no credential is set; `reason` says what was found instead."""
    return ConfigurationError(
        reason or "No Kling credentials are set.",
        kind="missing_credentials",
        advice=MISSING_CREDENTIALS_ADVICE,
        topic="keys-regions-and-the-clock",
    )


def default_state_dir() -> Path:
    """The platform's per-user state folder for this program; it may not exist yet.

    Raises:
        ConfigurationError: the user has no home folder, as in containers; the text names KLING_MCP_STATE_DIR.
    """
    import platformdirs  # noqa: PLC0415 - only needed if no folder is set

    with suppress(RuntimeError):  # older versions leave the ~ in place
        folder = Path(platformdirs.user_state_dir("kling-mcp", appauthor=False))
        if folder.is_absolute():
            return folder
    raise ConfigurationError(
        "The user that runs this server has no home folder, so there is no place for its state: set "
        "KLING_MCP_STATE_DIR to the full path of a folder that this server may write to.",
        topic="state",
    )


def default_output_dir() -> Path | None:
    """The folder for results in the user's video folder, else in the home folder; it may not exist yet.

    The home folder is used where the system's settings name a video folder that has no place, as on a disk that is
    not connected. None for a user without a home folder, as in containers.
    """
    import platformdirs  # noqa: PLC0415 - only needed if no folder is set

    home = _home_dir()
    with suppress(RuntimeError):  # older versions leave the ~ in place
        videos = platformdirs.user_videos_path()
        if videos.is_absolute() and videos.parent.is_dir() and videos.parent != videos:
            return videos / "kling-mcp"
    return home / "kling-mcp" if home and home.parent != home else None
