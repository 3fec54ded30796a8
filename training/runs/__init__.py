"""Runs: a training is ordered, proceeds through attempts and checkpoints, and reports meanwhile.

Uses `datasets` and `generation`. Begin with `models` and `trainer`, which defines trainers; `placing` comes before a
run, `running` is the run itself.
"""
