"""Styles: their versions and looks, importing them from files and exporting them as files.

Uses the kernel and knows nothing of pictures or trainings. Begin with `models`, then `importing`; `lora` reads the
files.
"""
