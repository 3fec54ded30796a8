"""Own workflows become recipes: a graph is taken from a file, looked at, shaped by a person, and made a document.

Pure: no models, no engines, no files. Begin with `taking`, then `looking` and `building`; `abilities` is the kept table
of what node classes may do.
"""
