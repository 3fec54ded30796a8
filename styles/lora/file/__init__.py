"""The bytes of a LoRA file: its header, hashes and numbers, and untrusted metadata values.

Uses none of the other rooms. Begin with `header`.
"""
