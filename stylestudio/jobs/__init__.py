"""The life of a job, whatever it does: statuses, moves, leases, the registry of kinds; and forms sent twice.

Uses `people`. Begin with `kinds`.
"""
