"""The machine that the program runs on: private files, locks between processes, the log, child processes.

Apps register their startup steps and their facts for /health here. Uses only `text`.
"""
