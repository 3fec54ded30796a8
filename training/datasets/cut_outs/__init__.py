"""Cutting pictures of datasets out: an engine finds the subject, and the result takes the place of its original.

Begin with `replacing` (a cut-out in the place of its original, and back), then `making` (the job).
"""
