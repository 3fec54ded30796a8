"""Words of people and of strangers: one grammar for prompts and captions, texts made harmless, secrets concealed.

Uses nothing of this project. Begin with `grammar`.
"""
