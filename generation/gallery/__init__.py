"""The stored pictures: finding, browsing, deleting and restoring them.

Uses `pictures`. Begin with `query`.
"""
