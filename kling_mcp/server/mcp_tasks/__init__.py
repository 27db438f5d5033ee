"""The Tasks extension of MCP (`io.modelcontextprotocol/tasks`, SEP-2663) on the same tool bodies.

A client that declares it gets a handle for a call that takes long, and asks later; every other client just waits.
A handle outlives this process: Kling's task and the journal are durable, and `handles` says which ones it means.
Nothing here knows how to create, only how to leave a call running and how to find its task again.

    handles.py          what is on the disk
    background_call.py  a call that may go on after its request was answered
    resume.py           the bodies that follow a call begun by another process
    extension.py        what MCP sees
"""
