"""The settings, read once from the environment and validated; nothing else reads the environment.

Every error names the variable, and none shows the value of a secret.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast, get_args
from urllib.parse import unquote, urlsplit

from kling_mcp.errors import ConfigurationError
from kling_mcp.settings.hosting import HostingSettings, read_hosting

if TYPE_CHECKING:
    from collections.abc import Mapping

Region = Literal["global", "china"]
Transport = Literal["stdio", "http"]
LogFormat = Literal["text", "json"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

HOSTS: dict[Region, str] = {
    "global": "https://api-singapore.klingai.com",  # fact: host-global
    "china": "https://api-beijing.klingai.com",  # fact: host-china
}
MAX_WAIT_SECONDS = 600
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_UNFILLED = re.compile(r"\$\{[^}]*\}|\$[A-Za-z_]\w*|%[A-Za-z_]\w*%|<[^<>]+>")
_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+")
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[^@/?#:,\[\]]*)(?::\d+)?"
_STATE_URL = re.compile(rf"postgres(?:ql)?://(?:[^@/?#]*@)?{_HOST}(?:,{_HOST})*(?:/[^@/?#]*)?(?:\?[^#]*)?")
_MIN_HIDDEN_CHARACTERS = 8
_MAX_SECRET_FILE_BYTES = 16 * 1024


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
        return tuple(value for value in (*keys, *_passwords_in(self.state_url)) if value)

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
        env = _Environment(os.environ if environ is None else environ)
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
            base_url=_read_base_url(env.text("KLING_BASE_URL")) or HOSTS[region],
            sandbox=env.flag("KLING_MCP_SANDBOX"),
            read_only=env.flag("KLING_MCP_READ_ONLY"),
            tools=env.names("KLING_MCP_TOOLS"),
            media_dirs=env.folders("KLING_MCP_MEDIA_DIRS"),
            state_dir=env.folder("KLING_MCP_STATE_DIR"),
            state_url=_read_state_url(env.secret("KLING_MCP_STATE_URL")),
            wait_seconds=env.number("KLING_MCP_WAIT_SECONDS", 45, 0, MAX_WAIT_SECONDS),
            max_creates=env.number("KLING_MCP_MAX_CREATES", 3, 1, 100),
            thumbnails=env.flag("KLING_MCP_THUMBNAILS", default=True),
            shared_account=env.flag("KLING_MCP_SHARED_ACCOUNT"),
            hosting=read_hosting(env),
            log_level=env.log_level("KLING_MCP_LOG_LEVEL"),
            log_format=env.log_format("KLING_MCP_LOG_FORMAT"),
        )


class _Environment:
    """Typed reading of single variables; an empty variable counts as unset."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str) -> str:
        value = self._values.get(name, "").strip()
        if _UNFILLED.fullmatch(value):
            raise ConfigurationError(
                f"{name} holds the placeholder {value[:60]} instead of a value: your client did not fill it in. "
                "Set the actual value, or remove the variable."
            )
        return value

    def secret(self, name: str) -> str:
        """A secret, from the variable or from the file that `<name>_FILE` names."""
        value, file_name = self._values.get(name, ""), self.text(f"{name}_FILE")
        if value.strip() and file_name:
            raise ConfigurationError(f"Both {name} and {name}_FILE are set; keep one of them.")
        if file_name:
            return validated_secret(f"{name}_FILE", _read_secret_file(f"{name}_FILE", file_name))
        return validated_secret(name, value.strip("\r\n"))

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.text(name).lower()
        if not value:
            return default
        if value in {"1", "true", "yes", "on"}:
            return True
        if value in {"0", "false", "no", "off"}:
            return False
        raise ConfigurationError(f"{name} must be 1 or 0; it is {value[:40]!r}.")

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        value = self.text(name)
        if not value:
            return default
        if not re.fullmatch(r"[0-9]{1,9}", value) or not lowest <= int(value) <= highest:
            raise ConfigurationError(f"{name} must be a whole number from {lowest} to {highest}; it is {value[:40]!r}.")
        return int(value)

    def log_level(self, name: str) -> LogLevel:
        """`WARNING` by default: over stdio some clients show every log line as an error."""
        value = self.text(name).upper() or "WARNING"
        for level in get_args(LogLevel):
            if value == level:
                return cast("LogLevel", level)
        raise ConfigurationError(f"{name} must be one of {', '.join(get_args(LogLevel))}; it is {value[:40]!r}.")

    def log_format(self, name: str) -> LogFormat:
        match self.text(name).lower():
            case "" | "text":
                return "text"
            case "json":
                return "json"
        raise ConfigurationError(f"{name} must be text or json.")

    def names(self, name: str) -> tuple[str, ...]:
        return tuple(part for part in re.split(r"[\s,]+", self.text(name)) if part)

    def folder(self, name: str) -> Path | None:
        value = self.text(name)
        return _without_tilde(name, value) if value else None

    def folders(self, name: str) -> tuple[Path, ...] | None:
        value = self.text(name)
        if not value:
            return None
        folders = tuple(_without_tilde(name, part.strip()) for part in value.split(os.pathsep) if part.strip())
        for folder in folders:
            if not folder.is_absolute() or not folder.is_dir():
                raise ConfigurationError(
                    f"{name} must list existing folders by their full paths, separated by {os.pathsep!r}; "
                    f"{str(folder)[:200]!r} is not one."
                )
        return folders


def validated_secret(name: str, value: str) -> str:
    """A secret as it may be sent, or "".

    Raises:
        ConfigurationError: the sentence names `name` and never shows the value.
    """
    if not value.strip():
        return ""
    if "${" in value or _UNFILLED.fullmatch(value.strip()):
        raise ConfigurationError(
            f"{name} holds a placeholder such as ${{VAR}} instead of a key: your client did not fill it in. "
            "Set the actual key."
        )
    if value.strip()[0] in "\"'`“‘" or value.strip()[-1] in "\"'`”’":
        raise ConfigurationError(f"{name} is wrapped in quotes; remove them.")
    if value.lower().startswith("bearer"):
        raise ConfigurationError(f"{name} starts with 'Bearer'; give the key alone, the prefix is added automatically.")
    if any(character.isspace() for character in value):
        raise ConfigurationError(f"{name} contains white space; copy the key again without it.")
    if not value.isascii() or not value.isprintable():
        raise ConfigurationError(f"{name} contains characters that no key has; copy the key again.")
    return value


def refuse_half_a_pair(
    access_key: str,
    secret_key: str,
    access_name: str = "KLING_ACCESS_KEY",
    secret_name: str = "KLING_SECRET_KEY",  # noqa: S107 - the name of a variable
) -> None:
    """Require both halves of the pair, or neither.

    Raises:
        ConfigurationError: names the missing half.
    """
    if bool(access_key) != bool(secret_key):
        given, missing = (access_name, secret_name) if access_key else (secret_name, access_name)
        raise ConfigurationError(f"{given} is set but {missing} is not; set both, or an API key instead.")


def refuse_token_as_key(api_key: str, name: str = "KLING_API_KEY") -> None:
    """A signed token used as an API key would work for minutes and then fail.

    Raises:
        ConfigurationError: names the variable.
    """
    if _JWT.fullmatch(api_key) and api_key.startswith("ey"):
        raise ConfigurationError(
            f"{name} holds a signed token (JWT), which expires within minutes. Set an API key, or set KLING_ACCESS_KEY "
            "and KLING_SECRET_KEY, from which fresh tokens are made."
        )


def read_region(value: str, name: str = "KLING_REGION") -> Region:
    """The region; `global` by default.

    Raises:
        ConfigurationError: names the variable.
    """
    match value.lower():
        case "" | "global":
            return "global"
        case "china":
            return "china"
    raise ConfigurationError(f"{name} must be global or china; it is {value[:40]!r}.")


def _read_base_url(value: str) -> str:
    """https only; plain http only for this computer, for tests and the simulator."""
    if not value:
        return ""
    rule = "KLING_BASE_URL must be an https address such as https://api-singapore.klingai.com"
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigurationError(f"{rule}; it cannot be read as an address.") from None
    if parts.username or parts.password:
        raise ConfigurationError(f"{rule}; remove the user name or password from it.")
    if not host or parts.query or parts.fragment or any(c.isspace() for c in value):
        raise ConfigurationError(f"{rule}, without a query or a fragment.")
    if parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK):
        return value.rstrip("/")
    raise ConfigurationError(f"{rule}; plain http is allowed only for loopback addresses (127.0.0.1).")


def _read_state_url(value: str) -> str:
    """The address of a PostgreSQL database, or "". Errors never show the value: it contains a password."""
    if not value or _STATE_URL.fullmatch(value):
        return value
    raise ConfigurationError(
        "KLING_MCP_STATE_URL must be the address of a PostgreSQL database such as "
        "postgresql://user:password@host:5432/database, with special characters in the password written as %XX."
    )


def _passwords_in(url: str) -> tuple[str, ...]:
    """The passwords in a database address, percent-encoded and decoded.

    Short ones are left out: hiding a common word would make logs unreadable.
    """
    parts = urlsplit(url)
    written = [parts.netloc.rpartition("@")[0].partition(":")[2], *re.findall(r"(?<=password=)[^&]+", parts.query)]
    return tuple(
        form for secret in written for form in (secret, unquote(secret)) if len(form) >= _MIN_HIDDEN_CHARACTERS
    )


def _read_secret_file(name: str, file_name: str) -> str:
    path = _without_tilde(name, file_name)
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_SECRET_FILE_BYTES + 1)  # a file's stated size may be wrong, as for /dev/zero
        if len(data) > _MAX_SECRET_FILE_BYTES:
            raise ConfigurationError(f"{name} names a file that is too large to hold a key.")
        value = data.decode("utf-8-sig").strip("\r\n")  # Windows editors add a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{name} names a file that cannot be read ({type(error).__name__}).") from None
    if not value.strip():
        raise ConfigurationError(f"{name} names a file that is empty.")
    return value


def _without_tilde(name: str, value: str) -> Path:
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ConfigurationError(
            f"{name} begins with ~, but that home directory does not exist; give the full path."
        ) from None


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
