"""The engine client: talks to ComfyUI servers, and knows nothing of Django, channels or huey.

Begin with `client`, which is all that most callers need; `run` follows one prompt. Below them are the rooms
`connection` (HTTP and the socket), `protocol` (what engines say, as types) and `graphs` (what they are told to do),
and below those `errors`, the one tree of everything that can go wrong.
"""
