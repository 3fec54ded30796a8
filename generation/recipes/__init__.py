"""Recipes: how a picture is made, as data. A folder in `shipped` is a recipe; nothing else has to know of it.

Begin with `recipe`, which says what a recipe holds; `reading` is the published schema, `registry` finds recipes.
"""
