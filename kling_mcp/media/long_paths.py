"""Paths of Windows that are longer than its programs could once name. Pure text.

Unless a setting of the computer allows longer ones, Windows finds no file behind a path of 260 characters, and no
folder behind one of 248, except in the form that begins with two backslashes and a question mark.
"""

from __future__ import annotations

import os
from pathlib import PureWindowsPath

ON_WINDOWS = os.name == "nt"
_LONGEST = 240  # a folder may have 247, and SQLite and others add an ending
_EXTENDED = "\\\\?\\"


def extended(path: str, *, windows: bool = ON_WINDOWS) -> str:
    r"""The path as Windows finds it whatever its length: `\\?\C:\…`, `\\?\UNC\server\share\…`.

    A short or relative path, and one of another system, stays as it is.
    """
    if not windows or len(path) <= _LONGEST or path.startswith(_EXTENDED):
        return path
    plain = PureWindowsPath(path)
    if not plain.is_absolute():
        return path
    # This form is taken literally: no slashes, and none of the names that Windows would resolve.
    if plain.drive.startswith("\\\\"):
        return f"{_EXTENDED}UNC\\{str(plain)[2:]}"
    return f"{_EXTENDED}{plain}"
