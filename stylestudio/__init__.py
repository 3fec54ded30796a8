"""StyleStudio: train styles, and generate pictures in them on your own engines."""

__version__ = "0.2.0"
