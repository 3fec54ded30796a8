"""What a LoRA's metadata and the files beside it say, and copies with other metadata.

Uses `file` and `structure`. Begin with `facts`; `write` makes the copies.
"""
