"""The bytes of a LoRA file: its header, its hashes, its numbers, and the values that strangers wrote into it.

Uses nothing of the other rooms. Begin with `header`.
"""
