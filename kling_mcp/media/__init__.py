"""Pictures and links, whatever they are for, before anything is sent.

Needs no network and no settings: usable on its own. Pillow is imported when the first picture is looked at.
"""
