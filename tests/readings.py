"""What the settings read from the environment, found out by watching them, not by a second list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kling_mcp.settings import Settings


class WatchedEnvironment(Mapping[str, str]):
    """An environment that remembers which names it was asked for."""

    def __init__(self, **values: str) -> None:
        self.asked: set[str] = set()
        self._values = values

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def variables_read() -> set[str]:
    """Every variable that the settings look at, those ending in `_FILE` among them."""
    environment = WatchedEnvironment()
    Settings.from_env(environment)
    return environment.asked


def secret_variables() -> set[str]:
    """The variables that hold secrets: those that may also come from a file."""
    return {name.removesuffix("_FILE") for name in variables_read() if name.endswith("_FILE")}


def plain_variables() -> set[str]:
    """The variables without the `_FILE` forms of secrets."""
    return {name for name in variables_read() if not name.endswith("_FILE")}
