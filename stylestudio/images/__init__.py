"""Pictures from outside: which kinds are read, decoding within limits, colours, grounds, thumbnails.

Knows no models and no requests. Begin with `decoding`.
"""
