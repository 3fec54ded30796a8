"""Text from people and strangers: one grammar for prompts and captions, neutralising text, concealing secrets.

Uses nothing of this project. Begin with `grammar`.
"""
