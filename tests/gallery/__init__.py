"""Tests of the gallery: the page as text, what it is given, and the page in a real browser."""
