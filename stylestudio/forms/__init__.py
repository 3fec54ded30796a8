"""How forms of the studio look: one template for all fields, and the widgets that Django does not have.

What a field says of itself (label, limits, help, errors) is said once, in the form; `templates/shell/_field.html` draws
it. It may use nothing of the studio but how numbers are written. Begin with `fields`.
"""
