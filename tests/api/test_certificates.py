"""Whose certificates are trusted, and what is said about those that are not."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from network_calls import READ, failure_at, kling_at
from network_stand import Authority, Kling, listening

from kling_mcp.api.certificates import make_tls
from kling_mcp.errors import ConnectionFailedError
from kling_mcp.server.http.jwks import fetch_bytes

pytestmark = pytest.mark.anyio

Broken = Callable[[Path], Path]


@pytest.fixture
def anyio_backend() -> str:
    """Sockets need real time."""
    return "asyncio"


def _missing(folder: Path) -> Path:
    return folder / "no such.pem"


def _empty(folder: Path) -> Path:
    (folder / "empty.pem").write_bytes(b"\n")
    return folder / "empty.pem"


def _no_pem(folder: Path) -> Path:
    (folder / "ca.der").write_bytes(b"\x30\x82\x01\x0a not a certificate")
    return folder / "ca.der"


BROKEN = [
    pytest.param(_missing, "a file that does not exist", id="missing"),
    pytest.param(lambda folder: folder, "a folder, not a file", id="folder"),
    pytest.param(_empty, "an empty file", id="empty"),
    pytest.param(_no_pem, "no certificates in PEM form", id="no-pem"),
    pytest.param(lambda _: Path(r"C:\company\ca.pem"), "a file that does not exist", id="windows"),
]


@pytest.mark.parametrize(("broken", "words"), BROKEN)
@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_certificate_file_that_leads_nowhere_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, broken: Broken, words: str, scheme: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(broken(tmp_path)))
    error = await failure_at(f"{scheme}://127.0.0.1:9")
    assert (error.kind, error.created, error.retry) == ("network", "no", "never")
    assert error.message.startswith("SSL_CERT_FILE names ")
    assert words in error.message


async def test_certificate_folder_that_is_missing_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "gone"))
    error = await failure_at("https://127.0.0.1:9")
    assert error.message.startswith("SSL_CERT_DIR names a folder that does not exist")
    assert error.retry == "never"


def test_certificate_folders_need_only_one_that_exists(tmp_path: Path) -> None:
    make_tls({"SSL_CERT_DIR": os.pathsep.join([str(tmp_path / "gone"), str(tmp_path)])})


def test_certificate_file_adds_to_the_certificates_of_the_system(tmp_path: Path) -> None:
    def trusted(context: ssl.SSLContext) -> set[bytes]:
        return set(context.get_ca_certs(binary_form=True))

    plain, more = make_tls({}), make_tls({"SSL_CERT_FILE": str(Authority(tmp_path).pem)})
    assert len(trusted(more) - trusted(plain)) == 1
    assert trusted(more) > trusted(plain)
    assert (more.verify_mode, more.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_certificates_are_read_once_for_the_same_variables(tmp_path: Path) -> None:
    named = {"SSL_CERT_FILE": str(tmp_path / "company.pem")}
    with pytest.raises(ConnectionFailedError, match="names a file that does not exist"):
        make_tls(named)
    Path(named["SSL_CERT_FILE"]).write_bytes(Authority(tmp_path).pem.read_bytes())
    first = make_tls(named)  # a failure is not remembered
    assert make_tls(named) is first
    assert make_tls({}) is make_tls({"SSL_CERT_FILE": " "})
    assert make_tls({}) is not first


async def test_company_certificate_is_trusted_once_the_variable_names_it(authority: Authority) -> None:
    async with listening(Kling(), authority.server_context("localhost")) as port:
        assert await READ(kling_at(f"https://localhost:{port}")) == []


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
async def test_untrusted_certificate_is_reported_with_its_cure(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    kling = Kling()
    async with listening(kling, authority.server_context(name)) as port:
        error = await failure_at(f"https://{name}:{port}")
    assert (error.kind, error.created, error.retry) == ("network", "no", "never")
    assert error.message.startswith(f"The certificate of {name}:{port} is not trusted")
    assert "SSL_CERT_FILE" in error.advice
    assert "system's store" in error.advice
    assert kling.asked == []


@pytest.mark.parametrize("asked", ["localhost", "127.0.0.1"])
async def test_certificate_of_another_name_has_a_sentence_of_its_own(authority: Authority, asked: str) -> None:
    async with listening(Kling(), authority.server_context("api.example")) as port:
        error = await failure_at(f"https://{asked}:{port}")
    assert error.message.startswith(f"The certificate of {asked}:{port} was issued for another name")
    assert error.retry == "never"


async def test_expired_certificate_points_to_the_date(authority: Authority) -> None:
    async with listening(Kling(), authority.server_context("localhost", days=-1)) as port:
        error = await failure_at(f"https://localhost:{port}")
    assert "has expired or is not valid yet" in error.message
    assert "this computer's date" in error.advice
    assert error.retry == "never"


async def test_keys_of_the_issuer_are_fetched_with_the_same_certificates(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(Kling(b'{"keys":[]}'), authority.server_context("localhost")) as port:
        url = f"https://localhost:{port}/keys"
        assert await fetch_bytes(url) == b'{"keys":[]}'
        monkeypatch.delenv("SSL_CERT_FILE")
        with pytest.raises(OSError, match=r"is not trusted.*SSL_CERT_FILE"):
            await fetch_bytes(url)
        monkeypatch.setenv("HTTPS_PROXY", "http://jane:PWCANARY#1@proxy.example")
        with pytest.raises(OSError, match="HTTPS_PROXY cannot be read") as caught:
            await fetch_bytes(url)
    assert "PWCANARY" not in str(caught.value)
