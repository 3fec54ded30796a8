"""What engines do with a LoRA: what their loader reads, the copy it reads better, and how the two differ.

Uses all other rooms of `lora`. Begin with `loader`, then `behaviour`.
"""
