"""Taking over pictures that were made elsewhere: from a folder, an archive, or what an engine still has in its history.

Each becomes a picture of the gallery with the settings that its file tells. Begin with `taking`.
"""
