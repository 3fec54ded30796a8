"""Kinds of composition: landscapes, and things or figures in front of a backdrop.

Uses `terrain`, `subjects` and the layer stack. Begin with `order`, then `landscape`.
"""
