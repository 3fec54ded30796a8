"""Pictures that an order gives besides words: what holds the form, and how the one to start from is fitted.

Lower than the rooms that order and make pictures; the fields of the form are in `generation/ordering/control_form`.
"""
