"""Pictures and links, checked before anything is sent.

Needs no network and no settings. Pillow is imported for the first picture.
"""
