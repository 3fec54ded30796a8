"""What a trainer sees of every picture: its bucket, its crop, and the colour under transparent parts.

Uses only the models of datasets. Begin with `plan`.
"""
