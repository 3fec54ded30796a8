"""Pictures that engines change without a prompt: cut out, or scaled up by a model. Each result is a derivation.

Begin with `wanting` (who wants what, once), then `placing` (a wish becomes a job like any other) and `laying` (what the
engine sends is laid on the source's own pixels). `actions` and `views` are where people ask for it.
"""
