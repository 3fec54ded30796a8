"""Runs: a training is asked for, goes on through attempts and checkpoints, and is told about while it does.

Uses `datasets` and `generation`. Begin with `models` and `trainer`, which says what a trainer is; `placing` comes
before a run, `running` is the run itself.
"""
