"""How the built server is reached: over stdin and stdout, or over Streamable HTTP.

Both serve what `build_server` builds; neither may add, hide or change a tool.

    stdio.py     one client over stdin and stdout
    app.py       the ASGI app: /mcp behind its guards, /healthz and /readyz beside it
    serving.py   the app on a port, and its orderly end
    access.py    who is let in: hosts, origins, tokens
    tokens.py    OAuth tokens, checked against the issuer's keys
    keys.py      the issuer's keys, fetched and kept
    sealing.py   what clients carry between rounds, sealed for every replica
    sessions.py  how many sessions of older clients one caller may have
    requests.py  how large, how slow and how many requests may be, and how they end
    connections.py  how long a connection may be silent

Importing this loads none of them: over stdio nobody pays for the rest.
"""
