"""Tasks, their prompts on engines and the resulting pictures, with everything that several rooms read of them.

Uses `engines` and `styles`. Begin with `models`, then `graphs`, which builds the graph an engine runs for a task.
"""
