"""Sheets of pictures for games, ordered on the wall and made by a worker: a zip with the files of an engine.

Begin with `ordering` (from a selection to a job) and `atlas_jobs` (the worker); how a sheet is packed and written is in
`generation.derivations.sheets`, which knows no Django.
"""
