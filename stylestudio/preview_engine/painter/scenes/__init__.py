"""The kinds of pictures that are composed: landscapes, and things or figures before a backdrop.

Uses `terrain`, `subjects` and the layer stack. Begin with `order`, then `landscape`.
"""
