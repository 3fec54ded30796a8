"""What is stored of a measured picture, for all who read it. Measuring it, in `measures`, takes numpy."""

from __future__ import annotations

VERSION = 1  # raise it if any result of `measures` changes: every picture is then measured again
PATCH = 48  # pixels of the square that identifies a picture
TINT = 16  # pixels of its colour planes
PATCH_BYTES = PATCH * PATCH + 2 * TINT * TINT
HUES, GREYS, ANGLES = 12, 8, 8  # bins of histograms
FEATURES = 6 + GREYS + HUES + 1 + 4 + ANGLES + 1  # numbers of colour and texture
