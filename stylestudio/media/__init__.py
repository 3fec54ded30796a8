"""The folder or bucket that holds everybody's files: storing them, which database owns them, what is missing or stray.

Begin with `identity`, which decides whether anything may be deleted. Uses `host` and the project's models.
"""
