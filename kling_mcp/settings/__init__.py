"""The settings, read once from the environment and validated; nothing else reads variables of ours.

Every error names the variable, and none shows the value of a secret.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kling_mcp.errors import ConfigurationError
from kling_mcp.settings.environment import Environment, LogFormat, LogLevel
from kling_mcp.settings.hosting import HostingSettings, read_hosting
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

Transport = Literal["stdio", "http"]

HOSTS: dict[Region, str] = {
    "global": "https://api-singapore.klingai.com",  # fact: host-global
    "china": "https://api-beijing.klingai.com",  # fact: host-china
}
MAX_WAIT_SECONDS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set, after validation. `repr` shows no secret.

    `access_key` and `secret_key` are either both set or both empty. `base_url` has no trailing slash.
    `media_dirs` is None where the variable is unset; `readable_dirs()` then gives the defaults.
    `tools` is empty for "all of them".
    """

    api_key: str = ""
    access_key: str = ""
    secret_key: str = ""
    region: Region = "global"
    base_url: str = HOSTS["global"]
    sandbox: bool = False
    read_only: bool = False
    tools: tuple[str, ...] = ()
    media_dirs: tuple[Path, ...] | None = None
    state_dir: Path | None = None
    state_url: str = ""
    wait_seconds: int = 45
    max_creates: int = 3
    thumbnails: bool = True
    shared_account: bool = False
    hosting: HostingSettings = field(default_factory=HostingSettings)
    log_level: LogLevel = "WARNING"
    log_format: LogFormat = "text"

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

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read and validate.

        Raises:
            ConfigurationError: one sentence that names the variable.
        """
        env = Environment(os.environ if environ is None else environ)
        access_key, secret_key = env.secret("KLING_ACCESS_KEY"), env.secret("KLING_SECRET_KEY")
        refuse_half_a_pair(access_key, secret_key)
        api_key = env.secret("KLING_API_KEY")
        refuse_token_as_key(api_key)
        region = read_region(env.text("KLING_REGION"))
        return cls(
            api_key=api_key,
            access_key=access_key,
            secret_key=secret_key,
            region=region,
            base_url=_read_base_url(env, region),
            sandbox=env.flag("KLING_MCP_SANDBOX"),
            read_only=env.flag("KLING_MCP_READ_ONLY"),
            tools=env.names("KLING_MCP_TOOLS"),
            media_dirs=env.folders("KLING_MCP_MEDIA_DIRS"),
            state_dir=env.folder("KLING_MCP_STATE_DIR"),
            state_url=read_database_url("KLING_MCP_STATE_URL", env.secret("KLING_MCP_STATE_URL")),
            wait_seconds=env.number("KLING_MCP_WAIT_SECONDS", 45, 0, MAX_WAIT_SECONDS),
            max_creates=env.number("KLING_MCP_MAX_CREATES", 3, 1, 100),
            thumbnails=env.flag("KLING_MCP_THUMBNAILS", default=True),
            shared_account=env.flag("KLING_MCP_SHARED_ACCOUNT"),
            hosting=read_hosting(env),
            log_level=env.log_level("KLING_MCP_LOG_LEVEL"),
            log_format=env.log_format("KLING_MCP_LOG_FORMAT"),
        )


def _read_base_url(env: Environment, region: Region) -> str:
    """Without a final slash; the region's own by default."""
    name = "KLING_BASE_URL"
    return read_address(name, env.text(name), example=HOSTS["global"]).rstrip("/") or HOSTS[region]


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
    'Set KLING_API_KEY (or KLING_ACCESS_KEY and KLING_SECRET_KEY) in the "env" block of your client\'s '
    "configuration, and restart the server. To try everything without an account, set KLING_MCP_SANDBOX=1."
)


def missing_credentials() -> ConfigurationError:
    """The error of every tool that needs Kling while no credential is set."""
    return ConfigurationError(
        "No Kling credentials are set.", kind="missing_credentials", advice=MISSING_CREDENTIALS_ADVICE
    )


def default_state_dir() -> Path:
    """The platform's per-user state folder for this program; it may not exist yet."""
    import platformdirs  # noqa: PLC0415 - only needed if no folder is set

    return Path(platformdirs.user_state_dir("kling-mcp", appauthor=False))
