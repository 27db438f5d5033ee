"""One rule for each kind of value: keys, regions and addresses, wherever they come from.

Every message names the variable or header at fault and never shows the value of a secret.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Literal
from urllib.parse import unquote, urlsplit

from kling_mcp.errors import ConfigurationError

Region = Literal["global", "china"]

# How a desktop host says that a field was left blank.
BLANK = re.compile(r"\$\{user_config\.[^}]*\}")
UNFILLED = re.compile(r"\$\{[^}]*\}|\$[A-Za-z_]\w*|%[A-Za-z_]\w*%|<[^<>]+>")
_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+")
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[^@/?#:,\[\]]*)(?::\d+)?"
_DATABASE_URL = re.compile(rf"postgres(?:ql)?://(?:[^@/?#]*@)?{_HOST}(?:,{_HOST})*(?:/[^@/?#]*)?(?:\?[^#]*)?")
_MIN_HIDDEN_CHARACTERS = 8


_REGIONS: dict[str, Region] = {
    "": "global",
    "global": "global",
    "intl": "global",
    "sg": "global",
    "china": "china",
    "cn": "china",
}


class UnfilledError(ConfigurationError):
    """The whole value is a placeholder that a client did not fill in."""


def validated_secret(name: str, value: str) -> str:
    """A secret as it may be sent, or "".

    Raises:
        ConfigurationError: the sentence names `name` and never shows the value.
    """
    if not value or not value.strip() or BLANK.fullmatch(value.strip()):
        return ""
    if (is_unfilled := UNFILLED.fullmatch(value.strip())) or "${" in value:
        raise (UnfilledError if is_unfilled else ConfigurationError)(
            f"{name} holds a placeholder such as ${{VAR}} instead of a key: your client did not fill it in. "
            "Set the actual key."
        )
    if value.strip()[0] in "\"'`“‘" or value.strip()[-1] in "\"'`”’":
        raise ConfigurationError(f"{name} is wrapped in quotes; remove them.")
    if value.lower().startswith("bearer"):
        raise ConfigurationError(f"{name} starts with 'Bearer'; give the key alone, the prefix is added automatically.")
    if value.split() != [value]:
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
    """The region; `global` by default. Other names in use (`cn`, `sg`, `intl`) are understood.

    Raises:
        ConfigurationError: names the variable.
    """
    region = _REGIONS.get(value.lower())
    if region is None:
        raise ConfigurationError(f"{name} must be global or china; it is {value[:40]!r}.")
    return region


@lru_cache(maxsize=64)  # each request says the host that it was sent to
def is_loopback(host: str) -> bool:
    """Whether a host, with or without a port, is reachable only from this computer."""
    name = re.sub(r":\d+$", "", host) if host.count(":") == 1 or host.startswith("[") else host
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name.lower() == "localhost"


def read_address(name: str, value: str, *, with_query: bool = False, example: str = "https://kling.example.com") -> str:
    """https, or plain http for this computer. Returned as written: issuers are compared character by character."""
    if not value:
        return ""
    rule = f"{name} must be an https address such as {example}"
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigurationError(f"{rule}; it cannot be read as an address.") from None
    if parts.username or parts.password or parts.fragment or (parts.query and not with_query):
        raise ConfigurationError(f"{rule}, without a user name, a query or a fragment.")
    if not host or any(character.isspace() for character in value) or not value.isascii():
        raise ConfigurationError(f"{rule}; it is not one.")
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)):
        return value
    raise ConfigurationError(f"{rule}; plain http is allowed only for loopback addresses (127.0.0.1).")


def read_database_url(name: str, value: str) -> str:
    """The address of a PostgreSQL database, or "". Errors never show the value: it contains a password."""
    if not value or _DATABASE_URL.fullmatch(value):
        return value
    raise ConfigurationError(
        f"{name} must be the address of a PostgreSQL database such as "
        "postgresql://user:password@host:5432/database, with special characters in the password written as %XX."
    )


def passwords_in(url: str) -> tuple[str, ...]:
    """The passwords in a database address, percent-encoded and decoded.

    Short ones are left out: hiding a common word would make logs unreadable.
    """
    parts = urlsplit(url)
    written = [parts.netloc.rpartition("@")[0].partition(":")[2], *re.findall(r"(?<=password=)[^&]+", parts.query)]
    return tuple(
        form for secret in written for form in (secret, unquote(secret)) if len(form) >= _MIN_HIDDEN_CHARACTERS
    )
