"""Everything that happens to pictures and captions before they are trained on.

Uses the gallery and engines, and knows nothing of runs. Begin with `models`, then `collecting`, `captions`, `crops`,
`health` and `versions`, in the order in which a dataset goes through them.
"""
