"""A PostgreSQL server of the tests' own: in a temporary folder, reached by a socket in it, gone afterwards."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

OWNER = "kling_test"
# A canary, with characters that must be escaped in an address.
PASSWORD = "state-db-CANARY-8f3e/7a:1@2"
UNPRIVILEGED = "postgres"  # the user that the packages make; the server refuses to run as root

_SPEED = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=60", "-c", "shared_buffers=16MB")


def programs() -> Path | None:
    """Where the server's programs are, which the packages leave out of PATH; the newest version."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: float(path.parent.name))
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def why_not() -> str:
    """Why no server can be started here; "" where one can."""
    if os.name != "posix":
        return "the tests start PostgreSQL on POSIX systems only"
    if programs() is None:
        return "PostgreSQL is not installed (tests/postgres/install.sh)"
    if os.geteuid() == 0:
        import pwd  # noqa: PLC0415 - there is none on Windows

        try:
            pwd.getpwnam(UNPRIVILEGED)
        except KeyError:
            return f"PostgreSQL does not run as root, and there is no user {UNPRIVILEGED}"
    return ""


@dataclass(slots=True)
class Server:
    """A running server. `stop` and `start` are what an operator or a failure does to it."""

    folder: Path

    @classmethod
    def begin(cls) -> Server:
        """Make a new server and start it."""
        server = cls(Path(tempfile.mkdtemp(prefix="kmcp-pg-", dir="/tmp")))  # short, as a socket's path must be
        try:
            if os.geteuid() == 0:
                shutil.chown(server.folder, UNPRIVILEGED)
            secret = server.folder / "password"
            secret.write_text(PASSWORD)
            login = ("-A", "scram-sha-256", "-U", OWNER, "--pwfile", str(secret))
            server._run("initdb", "--no-sync", "--no-locale", "-E", "UTF8", *login)
            server.start()
        except BaseException:
            shutil.rmtree(server.folder, ignore_errors=True)
            raise
        return server

    def start(self) -> None:
        """Start it, and return once it answers."""
        options = ["-k", str(self.folder), "-c", "listen_addresses=", *_SPEED]
        self._run("pg_ctl", "-w", "-t", "60", "-l", str(self.folder / "log"), "-o", " ".join(options), "start")

    def stop(self) -> None:
        """Stop it at once: every connection is lost."""
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def end(self) -> None:
        """Stop it and remove what it left."""
        try:
            self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str, *, host: str = "", password: str = PASSWORD, user: str = OWNER) -> str:
        """The address of a database, through the server's socket or through `host:port`."""
        secret = quote(password, safe="")
        where = f"{host}/{database}" if host else f"/{database}?host={quote(str(self.folder), safe='')}"
        return f"postgresql://{user}:{secret}@{where}"

    def new_database(self) -> str:
        """The name of a new and empty database."""
        name = f"test_{secrets.token_hex(6)}"
        self.say("postgres", f'CREATE DATABASE "{name}"')
        return name

    def drop(self, database: str) -> None:
        """Remove a database, whoever uses it."""
        self.say("postgres", f'DROP DATABASE "{database}" WITH (FORCE)')

    def say(self, database: str, *statements: str) -> list[tuple[object, ...]]:
        """Run statements; the rows of the last one."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def dump(self, database: str) -> str:
        """Everything that is in a database, as text."""
        command = self._command("pg_dump", "-h", str(self.folder), "-U", OWNER, database)
        environ = {**os.environ, "PGPASSWORD": PASSWORD}
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environ).stdout

    @property
    def socket(self) -> Path:
        """Where the server listens."""
        return self.folder / ".s.PGSQL.5432"

    def _command(self, program: str, *arguments: str) -> list[str]:
        folder = programs()
        assert folder is not None
        where = [] if program == "pg_dump" else ["-D", str(self.folder / "data")]
        return [str(folder / program), *where, *arguments]

    def _run(self, program: str, *arguments: str) -> None:
        import pwd  # noqa: PLC0415 - there is none on Windows

        user = pwd.getpwnam(UNPRIVILEGED) if os.geteuid() == 0 else None
        done = subprocess.run(
            self._command(program, *arguments),
            check=False,
            user=user and user.pw_uid,
            group=user and user.pw_gid,
            extra_groups=user and [],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            raise AssertionError(f"{program} failed: {done.stdout}")
