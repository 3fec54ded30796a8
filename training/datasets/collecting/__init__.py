"""Pictures come into a dataset: from archives, folders and the gallery, with the captions that lie beside them.

Uses `captions` and `versions`. Begin with `sources`, then `intake`.
"""
