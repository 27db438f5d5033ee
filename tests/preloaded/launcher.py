"""Lets a loaded server become `kling-mcp` for this process: `python -ISE launcher.py ADDRESS [--pid-to=FD] WORD...`.

Imports next to nothing, since what is imported here is what such a start costs.
"""

import _socket  # `socket` takes as long to load as all of Python
import array
import os
import sys

_, address, *words = sys.argv
umask = os.umask(0o77)
reader = int(words.pop(0).partition("=")[2]) if words and words[0].startswith("--pid-to=") else None
connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
connection.connect(address)
streams = _socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", (0, 1, 2))
given = ascii((words, os.getcwd(), umask, dict(os.environ))).encode("ascii")  # noqa: PTH109 - as above
connection.sendmsg([b"%16d" % len(given)], [streams])
connection.sendall(given)
pid = connection.recv(16)
if reader is not None:
    os.write(reader, pid)
    os.close(reader)
code = int(connection.recv(16) or 1)
os._exit(code if code >= 0 else 128 - code)  # by a signal: as shells count
