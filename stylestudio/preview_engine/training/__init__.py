"""How the preview engine learns a style, and the LoRA files that it writes of it."""
