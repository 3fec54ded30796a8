"""Captions: read, written, changed for many pictures at once, and proposed.

Uses `crops`. Begin with `grid` for the page and `operations` for what changes many; `captioners` propose.
"""
