"""Frozen versions of a dataset, compared with each other, and exported as trainers read them.

Uses `crops`. Begin with `snapshots`.
"""
