"""Asking for a training: the form, what stands around it, pictures that cannot be trained on, and placing the run.

Uses `running` for what earlier runs tell. Begin with `place_run`.
"""
