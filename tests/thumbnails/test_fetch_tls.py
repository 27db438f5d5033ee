"""The fetcher over real TLS: it connects to a number and still insists on the certificate of the name."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from media.pictures import jpeg

from kling_mcp.thumbnails.fetch import NoPictureError, PictureFetcher

pytestmark = pytest.mark.anyio

PICTURE = jpeg(32, 32)
NAME = "cdn.example.com"


@pytest.fixture
def anyio_backend() -> str:
    """Sockets need real time."""
    return "asyncio"


def write_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_path, key_path = folder / "certificate.pem", folder / "key.pem"
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_path, key_path


class Detour(httpx.AsyncBaseTransport):
    """The fetcher's own transport, except that the public address turns out to be a port of this computer."""

    def __init__(self, inner: httpx.AsyncBaseTransport, port: int) -> None:
        self._inner = inner
        self._port = port

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(host="127.0.0.1", port=self._port)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


@asynccontextmanager
async def host_of(name: str, folder: Path, heard: list[str]) -> AsyncIterator[PictureFetcher]:
    """A fetcher, and a TLS host for `name` behind every public address; `heard` is what the host was asked."""
    certificate, key = write_certificate(folder, name)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    tls.sni_callback = lambda _socket, asked, _context: heard.append(f"sni {asked}")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        heard.extend(line for line in head.decode().splitlines() if line.startswith(("GET", "Host")))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(PICTURE) + PICTURE)
        await writer.drain()
        writer.close()

    async def resolve(_: str) -> list[str]:
        return ["93.184.216.34"]

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    fetcher = PictureFetcher(resolve=resolve, make_transport=lambda: Detour(fetcher._direct_transport(), port))
    fetcher._tls = ssl.create_default_context(cafile=str(certificate))
    async with server:
        yield fetcher


async def test_the_host_is_asked_for_by_name_over_the_pinned_address(tmp_path: Path) -> None:
    heard: list[str] = []
    async with host_of(NAME, tmp_path, heard) as fetcher:
        assert await fetcher.fetch(f"https://{NAME}/mia.jpg") == PICTURE
    assert heard == [f"sni {NAME}", "GET /mia.jpg HTTP/1.1", f"Host: {NAME}"]


async def test_a_host_that_cannot_prove_its_name_is_not_asked(tmp_path: Path) -> None:
    heard: list[str] = []
    async with host_of("other.example.com", tmp_path, heard) as fetcher:
        with pytest.raises(NoPictureError, match="could not be opened"):
            await fetcher.fetch(f"https://{NAME}/mia.jpg")
    assert not [line for line in heard if line.startswith("GET")]


def test_fetcher_trusts_the_certificates_of_httpx_by_default() -> None:
    fetcher = PictureFetcher()
    assert isinstance(fetcher._direct_transport(), httpx.AsyncHTTPTransport)
    context = fetcher._tls
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
