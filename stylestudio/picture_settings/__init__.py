"""What a picture was made with, read from its file: this studio, ComfyUI, A1111, SwarmUI, InvokeAI, Fooocus and others.

`containers` takes the texts out of a file, the other modules understand one program's each. Files come from anybody:
every reader is bounded in time and memory and raises nothing. Uses no Django. Begin with `reading`.
"""
