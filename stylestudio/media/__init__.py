"""The folder or bucket that holds everybody's files: storing, whose it is, what was lost and found.

`identity` is where to begin: it decides whether anything may be deleted. Uses `host` and the models of the project.
"""
