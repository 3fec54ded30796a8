"""Whether the database is undamaged and fits this program, and what can be salvaged from a damaged one.

Uses `host`. Begin with `integrity`.
"""
