"""What is done to pictures, as pure functions of an RGBA picture and numbers. Knows no Django, no model and no file.

Begin with `catalogue`, which names all steps with what they ask for; `files` writes the result, `digests` tells it
apart from others.
"""
