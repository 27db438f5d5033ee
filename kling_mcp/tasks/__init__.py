"""Any task at Kling, whatever it makes: submitted once, found again after a lost reply, waited for.

Nothing here knows what an element is; `route.TaskRoute` says how one kind is submitted, read and listed.
"""
