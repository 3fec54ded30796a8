"""The node classes that the preview engine knows: those for pictures, those that train, as each generation has them."""
