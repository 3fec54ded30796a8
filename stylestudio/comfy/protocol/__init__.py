"""What engines say, parsed into types: frames of the socket and answers over HTTP, none of them trusted.

Uses `graphs`, to name a node as people know it, and `errors`. Begin with `events`, then `answers`.
"""
