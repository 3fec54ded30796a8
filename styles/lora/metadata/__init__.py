"""What a LoRA and the files beside it tell about it, and copies that tell something else.

Uses `file` and `structure`. Begin with `facts`; `write` makes the copies.
"""
