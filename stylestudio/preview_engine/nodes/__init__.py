"""The node classes that the preview engine knows: those for pictures, those that train, as each generation has them.

Uses the files, the painter and how trainings learn. Begin with `node_class`, then `pictures`.
"""
