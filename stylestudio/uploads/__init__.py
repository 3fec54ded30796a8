"""Large files that arrive in parts and survive a lost connection.

Apps register a purpose in `purposes`; the bytes are in `parts`. Uses `people`.
"""
