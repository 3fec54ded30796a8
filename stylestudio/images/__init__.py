"""Pictures from outside: supported formats, decoding within limits, colours, backgrounds, thumbnails.

Knows no models and no requests. Begin with `decoding`.
"""
