"""The Tasks extension of MCP (`io.modelcontextprotocol/tasks`, SEP-2663) on the same tool bodies.

A client that declares it gets a handle for a long call and asks later; every other client just waits.
A handle outlives this process: Kling's task and the journal are durable, and `handles` records which ones it means.
Nothing here creates anything; it only leaves a call running and finds its task again.

    handles.py          the stored handles
    background_call.py  a call that may continue after its request was answered
    resume.py           follows a call that another process started
    extension.py        MCP's side of it
"""
