"""Graphs: workflows with their placeholders filled, fitted to the node classes that an engine has.

Pure functions on dictionaries; uses `errors` and `file_names`. Begin with `graph`, then `wiring`.
"""
