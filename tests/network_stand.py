"""A small internet on this computer: a certificate authority, a Kling behind TLS, and proxies of both kinds."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

TLS = b"\x16"  # how a handshake begins, to a server that expects plain http
EMPTY_LIST = b'{"code":0,"message":"SUCCEED","request_id":"r-1","data":[]}'
# Everything that decides about the network, in both spellings where both count.
VARIABLES = [
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    *(name for scheme in ("http", "https", "all", "no") for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper())),
]


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """A company's own certificate authority, whose certificate lies in `pem`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.pem = folder / "company ca.pem"
        self._name = _name("Company CA")
        made = self._sign(self._name, self._key.public_key(), [], is_authority=True)
        self.pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, names: list[str], *, is_authority: bool, days: int = 1
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=3))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(one) for one in names]), False)
        return builder.sign(self._key, hashes.SHA256())

    def server_context(self, *names: str, days: int = 1) -> ssl.SSLContext:
        """What a server of these names needs to speak TLS."""
        key = ec.generate_private_key(ec.SECP256R1())
        path = self._folder / "server.pem"
        certificate = self._sign(_name(names[0]), key.public_key(), list(names), is_authority=False, days=days)
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@asynccontextmanager
async def listening(handle: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on a free port of 127.0.0.1; its connections end with it."""
    writers: list[asyncio.StreamWriter] = []

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with suppress(OSError, EOFError):
            await handle(reader, writer)
        writer.close()

    server = await asyncio.start_server(guarded, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await server.wait_closed()


@dataclass
class Kling:
    """Answers every request with an empty list, or with `answer`."""

    answer: bytes = EMPTY_LIST
    status: str = "200 OK"
    asked: list[str] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if (first := await reader.readexactly(1)) == TLS:
            writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            return
        head = first + await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.split(b" ")[1].decode())
        writer.write(
            b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (self.status.encode(), len(self.answer))
            + self.answer
        )
        await writer.drain()


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """Carry bytes both ways, wherever the client wanted to go: every name leads to a port of this computer."""
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)

    async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()

    await asyncio.gather(carry(reader, far_writer), carry(far_reader, writer))


@dataclass
class ConnectProxy:
    """An http proxy; it answers `refusal` if there is one, and leads everything to `port`."""

    port: int = 0
    refusal: str = ""
    heads: list[str] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        if self.refusal:
            writer.write(f"HTTP/1.1 {self.refusal}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _join(reader, writer, self.port)


@dataclass
class SocksProxy:
    """A SOCKS 5 server; with a `password` it wants one."""

    port: int = 0
    reply: int = 0
    password: str = ""
    wanted: list[str] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        _, count = await reader.readexactly(2)
        offered = await reader.readexactly(count)
        method = 2 if self.password else 0
        writer.write(bytes([5, method if method in offered else 255]))
        if method not in offered:
            return
        if self.password and not await self._is_admitted(reader, writer):
            return
        _, _, _, kind = await reader.readexactly(4)
        length = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
        host = await reader.readexactly(length)
        port = int.from_bytes(await reader.readexactly(2))
        self.wanted.append(f"{host.decode() if kind == 3 else ipaddress.ip_address(host)}:{port}")
        writer.write(bytes([5, self.reply, 0, 1, 0, 0, 0, 0, 0, 0]))
        if not self.reply:
            await _join(reader, writer, self.port)

    async def _is_admitted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        _, length = await reader.readexactly(2)
        await reader.readexactly(length)
        given = await reader.readexactly((await reader.readexactly(1))[0])
        writer.write(bytes([1, given.decode() != self.password]))
        return given.decode() == self.password
