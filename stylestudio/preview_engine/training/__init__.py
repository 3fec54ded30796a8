"""How the preview engine learns a style, and the LoRA files in which it stores the result."""
