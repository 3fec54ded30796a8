"""Adding pictures to a dataset: from archives, folders and the gallery, with the captions beside them.

Uses `captions` and `versions`. Begin with `sources`, then `intake`.
"""
