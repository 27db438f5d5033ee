"""The one place that holds the version; `server.json` is checked against it."""

__version__ = "0.1.0"
