"""Surroundings for tests of the network: none of this computer's own proxies and certificates."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from network_stand import VARIABLES, Authority


@pytest.fixture(autouse=True)
def _plain_network(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """A certificate authority that SSL_CERT_FILE names."""
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.pem))
    return made


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """Whatever the test configures, later tests log as before."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
