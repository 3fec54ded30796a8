"""A folder for each trainer: the trainer itself, its settings, its sentences, and what it leaves behind.

A trainer implements `training.runs.trainer` and may use everything below; nothing below knows one by name. Begin with
the `trainer.py` of either.
"""
