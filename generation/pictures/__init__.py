"""Tasks, their prompts on engines and the pictures that came, with all that several rooms read of them.

Uses `engines` and `styles`. Begin with `models`, then `graphs`, which makes of a task what an engine runs.
"""
