"""What goes wrong with a PostgreSQL server, as three questions: is the connection gone, may it pass, what to say.

The server's own words never reach a caller: they may hold parts of an address.
"""

from __future__ import annotations

import re

import psycopg

from kling_mcp.errors import ConfigurationError, StorageError

VARIABLE = "KLING_MCP_STATE_URL"

# Codes of section "PostgreSQL Error Codes" of its manual. The connection is of no more use after these.
_GONE = {
    "25P03",  # idle in a transaction for too long
    "25006",  # a read-only server: after a failover another one takes the writes
    "57P01",  # the server is shut down
    "57P02",  # it crashed
    "57P03",  # it is starting
    "57P04",  # the database was dropped
    "57P05",  # idle for too long
}
# Another transaction was in the way, or the tables were made or unmade under our feet: the next attempt may fit.
_PASSING = {
    "23505",  # two wrote the same key at once
    "3F000",  # no such schema
    "40001",  # no serial order
    "40P01",  # deadlock
    "42P01",  # no such table
    "42P06",  # the schema was made by another at the same moment
    "42P07",  # the table was
    "53300",  # too many connections
    "55P03",  # the lock was not to be had in time
}
_REFUSED = {"28000", "28P01", "3D000", "42501"}
_FULL = {"53100", "53200"}
# libpq keeps no code of a refused connection. The words are those of a server that speaks English; any other one
# only gets the more general sentence.
_REFUSAL = re.compile(
    r"authentication failed|no password supplied|pg_hba\.conf|(role|database) .* (does not exist|is not permitted)"
    r"|permission denied for database"
)


def is_gone(error: psycopg.Error) -> bool:
    """Whether the connection was lost or never made."""
    code = error.sqlstate or ""
    return code in _GONE or code.startswith("08") or (not code and isinstance(error, psycopg.OperationalError))


def may_pass(error: psycopg.Error) -> bool:
    """Whether the same work may succeed in a moment."""
    return (is_gone(error) and not _is_refusal(error)) or error.sqlstate in _PASSING


def explained(error: psycopg.Error) -> StorageError:
    """The error as a caller is told it: without a word of the server's."""
    code = error.sqlstate or ""
    if _is_refusal(error):
        return StorageError(
            f"The state database refuses this server: the user, the password, the database or the rights in {VARIABLE} "
            "are not right. Creations are off; reading works.",
            kind="read_only",
            retry="never",
            advice=f"Nothing was sent. Whoever runs this server must correct {VARIABLE}.",
        )
    if code in _FULL:
        return StorageError(
            "The state database is out of room, so a creation could not be written down before sending it.",
            kind="limit",
            advice="Nothing was sent. Whoever runs the database must make room; then call again.",
        )
    if is_gone(error):
        return StorageError(
            "The state database cannot be reached.", kind="busy", advice="Nothing was sent. Call again in a moment."
        )
    if code in _PASSING or code == "57014":
        return all_places_taken()
    return StorageError(
        f"The state database cannot be used ({type(error).__name__} {code}).".replace(" )", ")"),
        retry="never",
        advice="Nothing was sent. The log of this server says more.",
    )


def all_places_taken() -> StorageError:
    """Others were in front all the time."""
    return StorageError(
        "The state database is busy with other calls.", kind="busy", advice="Nothing was sent. Call again."
    )


def logged(error: psycopg.Error) -> str:
    """One line for the operator's log."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def wrong_time(seconds: float) -> StorageError:
    """This computer's clock differs from the database's, so leases would be taken for ended that are not."""
    return StorageError(
        f"The clock of this server's computer differs from the state database's by {seconds:.0f} seconds, so two "
        "servers could take the same creation for their own.",
        kind="busy",
        advice="Nothing was sent. Whoever runs this server must set the clock (NTP); then call again.",
    )


def not_an_address() -> ConfigurationError:
    """The setting cannot be read; the address is not shown, because it holds a password."""
    return ConfigurationError(
        f"{VARIABLE} cannot be read as the address of a PostgreSQL database, such as "
        "postgresql://user:password@host:5432/database. Special characters in the password must be written as %XX."
    )


def _is_refusal(error: psycopg.Error) -> bool:
    return error.sqlstate in _REFUSED or (not error.sqlstate and bool(_REFUSAL.search(str(error))))
