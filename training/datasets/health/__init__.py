"""What could be better about a dataset, found by checks, with buttons to fix it.

Uses `captions` and `crops`. Begin with `checks`, where a new check is one function, and `findings`.
"""
