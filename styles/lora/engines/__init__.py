"""What engines make of a LoRA: what their loader reads, the copy that it reads better, and how the two differ.

Uses all other rooms of `lora`. Begin with `loader`, then `behaviour`.
"""
