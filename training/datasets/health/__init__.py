"""What could be better about a dataset, found by checks, with a button that mends it.

Uses `captions` and `crops`. Begin with `checks`, in which a new check is one function, and `findings`.
"""
