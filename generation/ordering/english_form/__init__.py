"""Prompts that a model cannot read, and the English that it gets in their place: the fields, and what a page says."""
