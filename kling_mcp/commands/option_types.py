"""What options of several commands must be; argparse tells what is wrong as wrong use."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # What commands are added to.
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it


def key_pair(text: str) -> tuple[str, str]:
    access_key, _, secret_key = text.partition(":")
    if not access_key or not secret_key:
        raise argparse.ArgumentTypeError("a key pair is written ACCESS:SECRET")
    return access_key, secret_key


def port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port number from 0 to 65535")
    return int(text)
