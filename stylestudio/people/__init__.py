"""Who is who: accounts, the door, sessions, and who may see and change what.

Uses `edge`. Every view begins with `access`.
"""
