"""Pictures and links, checked before anything is sent.

Needs no network, no settings and no decoder.
"""
