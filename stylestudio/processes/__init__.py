"""The web process, the worker and their supervisor; also doctor, backups and the command line.

The top of the kernel: it may use every other room. Begin with `supervisor`, then `workers`.
"""
