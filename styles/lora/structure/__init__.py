"""What a LoRA is made of: layers, alphas, the base model it was made for, whether it is a look or an accelerator.

Uses `file`. Begin with `keys`, then `architecture`.
"""
