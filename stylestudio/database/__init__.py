"""Whether the database is whole and fits this program, and what can be saved of a damaged one.

Uses `host`. Begin with `integrity`.
"""
