"""Help: the guides of `docs/` as pages of the studio, so that they are there where they are needed, offline too.

It knows what a page of documents is and who reads which, and no app. Begin with `chapters`.
"""
