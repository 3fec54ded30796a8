"""The stored pictures: finding, browsing, deleting and restoring them.

Uses `pictures`. Begin with `query`: a wall is a `Found`, with `newest`, `keys` and `count`. `filters` reads an address,
`wanted` looks up what it means for a person, `walking` answers it by the narrow tables, and `searching` knows of words.
Rooms contribute filters of their own as `narrowing` says.
"""
