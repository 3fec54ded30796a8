"""Edited pictures: which part of a picture is made anew, what engines get for it, and how it is put back.

Lower than the rooms that order and make pictures; the pages are in `generation/editing`.
"""
