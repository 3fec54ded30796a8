"""The node classes of the preview engine: for pictures and for training, as each generation has them.

Uses the engine's files, the painter and the training code. Begin with `node_class`, then `pictures`.
"""
