"""Trains with kohya's sd-scripts, a program of its own on the worker's machine."""
