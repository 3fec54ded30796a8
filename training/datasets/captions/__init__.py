"""Captions: reading, writing, bulk changes, and proposals.

Uses `crops`. Begin with `grid` for the page and `operations` for bulk changes; `captioners` propose captions.
"""
