"""The runtime of a server that may never need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.server.context import ServerRequestContext

    from kling_mcp.runtime import Runtime
    from kling_mcp.settings import Settings


class LazyRuntime:
    """Creates the runtime, and loads its modules, on first use."""

    def __init__(self, settings: Settings, runtime: Runtime | None, when_made: Callable[[Runtime], None]) -> None:
        """
        Args:
            runtime: an existing one.
            when_made: called once, when the runtime exists.
        """
        self._settings = settings
        self._when_made = when_made
        self.made: Runtime | None = runtime
        if runtime is not None:
            when_made(runtime)

    def get(self) -> Runtime:
        """The runtime, the same every time.

        Raises:
            ConfigurationError: as `Runtime`.
        """
        if self.made is None:
            from kling_mcp.runtime import Runtime  # noqa: PLC0415 - see the module

            self.made = Runtime(self._settings)
            self._when_made(self.made)
        return self.made


def runtime_of(context: ServerRequestContext[Any, Any]) -> Runtime:
    """The runtime behind a request."""
    late = context.lifespan_context
    assert isinstance(late, LazyRuntime)  # noqa: S101 - build_server's lifespan yields nothing else
    return late.get()
