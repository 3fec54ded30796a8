"""A run in progress: the engine it holds, its attempts, checkpoints, samples and losses.

Uses `datasets.versions` and `generation`. Begin with `runner`, then `holds` and `live_course`.
"""
