"""Tasks at Kling of any kind: submitted once, found again after a lost reply, waited for.

Nothing here knows elements; a `route.TaskRoute` says how one kind is submitted, read and listed.
"""
