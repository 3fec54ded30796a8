"""People: accounts, sign-in, sessions, and who may see and change what.

Uses `edge`. Every view starts with `access`.
"""
