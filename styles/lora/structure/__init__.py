"""What a LoRA consists of: layers, alphas, its base model, and whether it is a look or an accelerator.

Uses `file`. Begin with `keys`, then `architecture`.
"""
