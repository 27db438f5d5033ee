"""The server over Streamable HTTP.

It serves what `build_server` builds, like `server/stdio.py`; neither may add, hide or change a tool.

    app.py             the ASGI app: /mcp behind its guards, /healthz and /readyz open
    serve.py           the app on a port, and graceful shutdown
    addresses.py       access control: hosts and origins; CORS
    auth.py            access control: tokens
    jwt_tokens.py      OAuth tokens, verified with the issuer's keys
    jwks.py            the issuer's keys, fetched and cached
    request_state.py   encrypts client state for all replicas
    accept.py          JSON or an event stream, as the client asks
    callers.py         who sends a request, and what of that is proved
    shares.py          room that callers share
    sessions.py        sessions of older clients, per caller
    open_requests.py   how many requests are open, and how they end at shutdown
    bodies.py          time and memory of their bodies
    connections.py     which connections are kept, and what may arrive on them
    refusals.py        the form of a refusal
    webhooks.py        callbacks from Kling

Importing this package loads none of them, so that stdio does not pay for http.
"""
