"""Which certificates are trusted: the system's, as a company's own are installed there, and SSL_CERT_FILE's.

`truststore` and the certificates are loaded at the first request, and once.
"""

from __future__ import annotations

import os
import ssl
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from kling_mcp.errors import ConnectionFailedError
from kling_mcp.sanitize import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE, FOLDER = "SSL_CERT_FILE", "SSL_CERT_DIR"
# Where distributions keep them, if OpenSSL was built for another place.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def make_tls(environ: Mapping[str, str]) -> ssl.SSLContext:
    """A context that checks certificate and name; the same one for the same variables, as long as the process lives.

    Raises:
        ConnectionFailedError: a sentence that names the variable that leads nowhere.
    """
    # As OpenSSL: an empty value counts as unset.
    return _with_those_of(environ.get(FILE, "").strip(), environ.get(FOLDER, "").strip())


# To read a system's certificates takes 16 ms, and each result is downloaded over a connection of its own.
@lru_cache(maxsize=4)
def _with_those_of(file: str, listed: str) -> ssl.SSLContext:
    context = _with_system_store()
    if file:
        _add_file(context, Path(file))
    if listed:
        _add_folders(context, listed)
    return context


def _with_system_store() -> ssl.SSLContext:
    if sys.platform in {"win32", "darwin"}:
        import truststore  # noqa: PLC0415 - only needed where something is sent

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The system's store is OpenSSL's here. truststore would read it again for each connection, 16 ms each.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    paths = ssl.get_default_verify_paths()
    # Not by OpenSSL's own defaults: there, SSL_CERT_FILE would replace the store, and here it adds to it.
    bundle = next((name for name in (paths.openssl_cafile, *_BUNDLES) if Path(name).is_file()), None)
    if bundle is not None:
        context.load_verify_locations(cafile=bundle)
    if Path(paths.openssl_capath).is_dir():
        context.load_verify_locations(capath=paths.openssl_capath)
    if bundle is None:
        _add_certifi(context)
    return context


def _add_certifi(context: ssl.SSLContext) -> None:
    """A slim container has no store at all; httpx brings one."""
    import certifi  # noqa: PLC0415 - only needed where something is sent

    context.load_verify_locations(cafile=certifi.where())


def _add_file(context: ssl.SSLContext, path: Path) -> None:
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        what = "a folder, not a file" if isinstance(error, IsADirectoryError) or path.is_dir() else _why(error)
        raise _nowhere(FILE, what, str(path)) from None
    if not data.strip():
        raise _nowhere(FILE, "an empty file", str(path))
    try:
        context.load_verify_locations(cafile=str(path))
    except (ssl.SSLError, OSError):
        raise _nowhere(FILE, "a file that holds no certificates in PEM form", str(path)) from None


def _add_folders(context: ssl.SSLContext, listed: str) -> None:
    """As OpenSSL: one folder or several; those that are missing do no harm while one is there."""
    there = [folder for folder in listed.split(os.pathsep) if Path(folder).is_dir()]
    if not there:
        raise _nowhere(FOLDER, "a folder that does not exist", listed)
    for folder in there:
        context.load_verify_locations(capath=folder)


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "a file that does not exist"
    return "a file that cannot be read"


def _nowhere(variable: str, what: str, path: str) -> ConnectionFailedError:
    return ConnectionFailedError(
        f"{variable} names {what}: {quote(path, 200)}. Nothing was sent.",
        retry="never",
        advice=f"Let {variable} name a PEM file of certificates to trust, or remove it: the system's own certificates "
        "are trusted in any case. Then restart the server."
        if variable == FILE
        else f"Let {variable} name a folder of certificates, or remove it. Then restart the server.",
        topic="certificates",
    )
