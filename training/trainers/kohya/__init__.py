"""Trains with kohya's sd-scripts, a separate program on the worker's machine."""
