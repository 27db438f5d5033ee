"""Voices for elements: made from a recording or a clip, which costs units, and deleted."""
