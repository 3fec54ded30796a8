"""The connection to an engine: its address and secrets, HTTP, large files, and the one long-lived socket.

Uses `protocol` for the types of events, and `errors`. Begin with `transport`, then `event_socket`.
"""
