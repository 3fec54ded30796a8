"""Doing something with many pictures: which are meant, what can be done, one job with one Undo, downloads as a zip.

Uses `gallery`. Begin with `selection` (which pictures), then `actions` (what can be done), `orders` (at once or later)
and `bulk_jobs` (the worker); `names`, `sidecars` and `zips` are about downloads.
"""
