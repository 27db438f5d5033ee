"""nginx with the configuration of docs/hosting.md, in front of server processes that share one database.

Everything is as an operator has it, but for ports, the certificate and a header that says which replica answered.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import preloaded
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from processes import ROOT, environ_with, uncounted

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "kling.example.com"
REPLICA = "X-Replica"
TOKEN = "http-token-of-the-balanced-replicas"
PORTS_OF_THE_PAGE = ("8001", "8002")
_PAGE = (ROOT / "docs" / "hosting.md").read_text("utf-8")

_AROUND = """
daemon off; worker_processes 1; {user} pid {room}/nginx.pid; error_log {room}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {room}/body; proxy_temp_path {room}/proxy; fastcgi_temp_path {room}/fastcgi;
    uwsgi_temp_path {room}/uwsgi; scgi_temp_path {room}/scgi;
    include {room}/site.conf;
}}
"""


def nginx() -> str:
    """The program, or "" where it is not installed."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin") or ""


def configuration_of_the_page() -> str:
    """The block that operators are told to use."""
    [found] = re.findall(r"^```nginx\n(.*?)^```", _PAGE, re.DOTALL | re.MULTILINE)
    return str(found)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass(slots=True)
class Replica:
    """A server process, which can be killed, ended in order, and started again at the same place."""

    port: int
    settings: dict[str, str]
    process: preloaded.Command | None = None

    @property
    def address(self) -> str:
        """As the balancer names it."""
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the process that runs."""
        assert self.process is not None
        return self.process.pid_of_command

    def start(self) -> None:
        """Start it, and return once it listens."""
        self.begin()
        self.await_start()

    def begin(self) -> None:
        """Start it."""
        self.process = preloaded.Command(
            ["serve", "--transport", "http", "--port", str(self.port)],
            env=uncounted(environ_with(**self.settings)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def await_start(self) -> None:
        """Return once it listens."""
        assert self.process is not None
        assert self.process.stderr is not None
        assert "serves" in self.process.stderr.readline()

    def stop(self, number: signal.Signals) -> None:
        """Send a signal, and return once it has ended."""
        assert self.process is not None
        self.process.send_signal(number)
        self.process.communicate(timeout=20)


@dataclass(slots=True)
class Site:
    """Two replicas behind a balancer. `answered` is what came back, as (what was asked, by which replica)."""

    replicas: tuple[Replica, Replica]
    port: int
    trusted: ssl.SSLContext
    answered: list[tuple[str, str]] = field(default_factory=list)

    def http(self, **headers: str) -> httpx2.AsyncClient:
        """Requests to the public address, signed in."""

        async def note(response: httpx2.Response) -> None:
            asked = response.request.headers.get("Mcp-Name") or response.request.headers.get("Mcp-Method")
            self.answered.append((asked or "", response.headers.get(REPLICA, "")))

        return httpx2.AsyncClient(
            base_url=f"https://{HOST}",
            transport=_ToTheBalancer(self.port, self.trusted),
            headers={"Authorization": self.authorization, **headers},
            event_hooks={"response": [note]},
            timeout=60,
        )

    @property
    def authorization(self) -> str:
        """The header of whoever signs in."""
        return f"Bearer {TOKEN}"

    def answerers(self, asked: str) -> list[str]:
        """Which replicas answered this, in order."""
        return [replica for what, replica in self.answered if what == asked]


class _ToTheBalancer(httpx2.AsyncHTTPTransport):
    """What a name server would do."""

    def __init__(self, port: int, trusted: ssl.SSLContext) -> None:
        super().__init__(verify=trusted)
        self._port = port

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.extensions = {**request.extensions, "sni_hostname": HOST}
        request.url = request.url.copy_with(host="127.0.0.1", port=self._port)
        return await super().handle_async_request(request)


@contextmanager
def balanced(room: Path, kling: str, state_url: str, **settings: str) -> Iterator[Site]:
    """Start everything; `kling` is the address of the simulator."""
    certificate = _make_certificate(room)
    common = {
        "KLING_BASE_URL": kling,
        "KLING_MCP_STATE_URL": state_url,
        "KLING_MCP_HTTP_TOKEN": TOKEN,
        "KLING_MCP_ALLOWED_HOSTS": HOST,
        "KLING_MCP_PUBLIC_URL": f"https://{HOST}",
        **settings,
    }
    a, b = (
        Replica(free_port(), {**common, "KLING_MCP_STATE_DIR": str(room / name)}) for name in ("state-a", "state-b")
    )
    port = free_port()
    with ExitStack() as stack:
        for replica in (a, b):
            stack.callback(_kill, replica)
            replica.begin()
        for replica in (a, b):
            replica.await_start()
        stack.enter_context(_nginx(room, port, (a, b)))
        yield Site((a, b), port, ssl.create_default_context(cafile=str(certificate)))


@contextmanager
def _nginx(room: Path, port: int, replicas: tuple[Replica, Replica]) -> Iterator[None]:
    text = configuration_of_the_page()
    for told, wanted in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        *((f"127.0.0.1:{old} ", f"{new.address} ") for old, new in zip(PORTS_OF_THE_PAGE, replicas, strict=True)),
        (f"/etc/letsencrypt/live/{HOST}/", f"{room}/"),
        ("    location / {", f"    add_header {REPLICA} $upstream_addr always;\n    location / {{"),
    ):
        assert told in text
        text = text.replace(told, wanted)
    (room / "site.conf").write_text(text, "utf-8")
    # Its workers are nobody in particular otherwise, who cannot read a test's folder.
    user = "user root;" if os.geteuid() == 0 else ""
    (room / "nginx.conf").write_text(_AROUND.format(room=room, user=user), "utf-8")
    command = [nginx(), "-p", str(room), "-e", str(room / "error.log"), "-c", str(room / "nginx.conf")]
    checked = subprocess.run([*command, "-t"], check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            _await_listener(port)
            yield
        finally:
            process.send_signal(signal.SIGTERM)


def _await_listener(port: int) -> None:
    """nginx says nothing when it is ready."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as line:
            if not line.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.01)
    raise AssertionError("nginx does not listen")


def _kill(replica: Replica) -> None:
    if replica.process is not None:
        replica.process.kill()
        replica.process.communicate()


def _make_certificate(room: Path) -> Path:
    """A certificate that signs itself, where the page expects one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    made: Any = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (room / "privkey.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    path = room / "fullchain.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return path
