"""Pictures, videos and texts of a creation, before anything is sent.

Needs no network and no settings: usable on its own. Pillow is imported when the first picture is looked at.
`preflight.prepare` is the way in; `limits` can be imported for next to nothing.
"""
