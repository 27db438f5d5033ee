"""The runtime of a server that may never need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kling_mcp.server.loading import collector_rests

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.server.context import ServerRequestContext

    from kling_mcp.runtime import Runtime
    from kling_mcp.settings import Settings


class LazyRuntime:
    """Creates the runtime, and loads its modules, on first use."""

    def __init__(self, settings: Settings, runtime: Runtime | None, on_created: Callable[[Runtime], None]) -> None:
        """
        Args:
            runtime: an existing one.
            on_created: called once, when the runtime exists.

        Attributes:
            is_served: whether it is in use; it ends with the first who used it, and others share it until then.
        """
        self._settings = settings
        self._on_created = on_created
        self.instance: Runtime | None = runtime
        self.is_served = False
        if runtime is not None:
            on_created(runtime)

    def get(self) -> Runtime:
        """The runtime, the same every time.

        Raises:
            ConfigurationError: as `Runtime`.
        """
        if self.instance is None:
            with collector_rests():
                from kling_mcp.runtime import Runtime  # noqa: PLC0415 - most servers are started and never need it

                self.instance = Runtime(self._settings)
            self._on_created(self.instance)
        return self.instance


def runtime_of(context: ServerRequestContext[Any, Any]) -> Runtime:
    """The runtime behind a request."""
    lazy_runtime = context.lifespan_context
    assert isinstance(lazy_runtime, LazyRuntime)  # noqa: S101 - build_server's lifespan yields nothing else
    return lazy_runtime.get()
