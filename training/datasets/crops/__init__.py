"""What a trainer sees of every picture: its bucket, its frame, and the colour under transparent parts.

Uses the models of datasets alone. Begin with `plan`.
"""
