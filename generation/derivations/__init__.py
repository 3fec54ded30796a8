"""Finishing pictures for games on the CPU: trim, pad, scale, palettes, effects; each result is a picture of its own.

Begin with `steps` (pure functions, no Django), then `finishing` (from a file to a file), `rows` (how the result becomes
a picture linked to its source), `actions` (many at a time, by a worker), `presets` (named lists of steps) and `chain`.
"""
