"""The MCP clients that can be connected: what each one reads, and the blocks, commands and links that add this server.

`table` is the only list of clients; the command line, the demo and docs/clients.md are written from it. Nothing here
writes a file of a client, and no secret is ever part of what comes out.
"""
