"""What a style is: its versions, what it looks like, and how it comes in and goes out as a file.

Stands on the kernel and knows nothing of pictures or trainings. Begin with `models`, then `importing`; `lora` reads the
files.
"""
