"""The pictures that are there: found, looked at one after the other, deleted and restored.

Uses `pictures`. Begin with `query`.
"""
