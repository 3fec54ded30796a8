"""Painters of the preview engine: they draw with numpy and Pillow what a real engine would generate.

Begin with `brief`, then `painter`, which loads all that can be drawn.
"""
