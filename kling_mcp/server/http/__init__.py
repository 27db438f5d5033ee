"""How the built server is reached over Streamable HTTP.

It serves what `build_server` builds, as `stdio` does; neither may add, hide or change a tool.

    app.py             the ASGI app: /mcp behind its guards, /healthz and /readyz beside it
    serve.py           the app on a port, and its orderly end
    auth.py            who is let in: hosts, origins, tokens
    jwt_tokens.py      OAuth tokens, checked against the issuer's keys
    jwks.py            the issuer's keys, fetched and kept
    request_state.py   what clients carry between rounds, sealed for every replica
    session_limits.py  how many sessions of older clients one caller may have
    request_limits.py  how large, how slow and how many requests may be, and how they end
    webhooks.py        Kling's callbacks

Importing this loads none of them: over stdio nobody pays for the rest.
"""
