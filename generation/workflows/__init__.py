"""Own workflows become forms: the pages on which curators make recipes of them. Begin with `views`.

What a workflow has is found by `generation.recipes.own`, which knows no pages; `drafting` joins both.
"""
