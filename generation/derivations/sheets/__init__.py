"""Sheets: many pictures in one, with the files by which game engines find them again. Knows no Django.

`making.make` does all of it: cut what is clear, pack, draw, and write for an engine.
"""
