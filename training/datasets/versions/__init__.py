"""Frozen versions of a dataset: comparing them, and exporting them for trainers.

Uses `crops`. Begin with `snapshots`.
"""
