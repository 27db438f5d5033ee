"""Fixtures of the tests on PostgreSQL: one server for all of them, a new database for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from virtual_time import VirtualClock

from postgres.places import BOTH, FilePlace, Place, PostgresPlace
from postgres.server import Server, why_not


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A running PostgreSQL server."""
    if reason := why_not():
        pytest.skip(reason)
    started = Server.begin()
    yield started
    started.end()


@dataclass(frozen=True, slots=True)
class Database:
    """A database of the test's own."""

    server: Server
    name: str

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    @property
    def url_to_cut(self) -> str:
        """For the replica whose listener `cut_listener` ends."""
        return f"{self.url}&application_name=to-be-cut"

    def cut_listener(self) -> None:
        """Do to one listening connection what a network does, or an operator."""
        ended = self.say(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE query LIKE 'LISTEN%' AND application_name = 'to-be-cut'"
        )
        assert ended == [(True,)]

    def say(self, *statements: str) -> list[tuple[object, ...]]:
        """Run statements from outside; the rows of the last one."""
        return self.server.say(self.name, *statements)


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    """A new and empty database."""
    made = Database(server, server.new_database())
    yield made
    server.drop(made.name)


@pytest.fixture(params=BOTH)
def place(request: pytest.FixtureRequest, tmp_path: Path, clock: VirtualClock) -> Iterator[Place]:
    """Where state lies that several processes share: a folder, then a database."""
    made: Place
    if request.param == "postgres":
        made = PostgresPlace(request.getfixturevalue("database").url, clock)
    else:
        made = FilePlace(tmp_path / "state", clock)
    yield made
    made.close()
