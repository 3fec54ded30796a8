"""What versions of styles look like: the sheet, the comparison, the strength strip, and covers.

Uses `ordering`, since previews are ordinary tasks of one picture each. Begin with `wishes`, then `asking`,
`following` and `panels`.
"""
