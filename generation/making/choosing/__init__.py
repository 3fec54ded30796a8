"""What a claim chooses: whose turn is next (`turns`), and which engine takes it (`candidates`). With `locks`, no two
workers choose for the same person or engine at the same time.

Begin with `turns`.
"""
