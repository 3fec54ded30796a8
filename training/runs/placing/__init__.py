"""Ordering a training: the form, its page, pictures that cannot be trained on, and placing the run.

Uses `running` for estimates from earlier runs. Begin with `place_run`.
"""
