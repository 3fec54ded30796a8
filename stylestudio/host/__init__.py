"""The machine that the program runs on: private files, locks between processes, the log, child processes.

Apps add their steps of a start and their facts for /health here. Stands on `text` alone.
"""
