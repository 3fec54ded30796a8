"""A run on its way: the engine that it holds, one attempt after the other, checkpoints, samples and losses.

Uses `datasets.versions` and `generation`. Begin with `runner`, then `holds` and `live_course`.
"""
