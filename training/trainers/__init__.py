"""A folder for each trainer: the trainer itself, its settings, its sentences, and what it leaves behind.

A trainer does what `training.runs.trainer` asks and may use everything below; nothing below knows one by name.
Begin reading at `trainer.py` of either.
"""
