"""Graphs: workflows whose placeholders are filled, and their way to the node classes that an engine has.

Pure functions over dictionaries; uses `errors` and names of files. Begin with `graph`, then `wiring`.
"""
