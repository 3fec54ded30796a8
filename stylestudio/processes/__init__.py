"""Web process, worker and what keeps both alive; what doctor looks at, backups, the command line.

The top of the kernel: it may use every other room. Begin with `supervisor`, then `workers`.
"""
