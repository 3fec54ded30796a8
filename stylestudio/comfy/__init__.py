"""The engine client: talks to ComfyUI servers and knows nothing of Django, channels or huey.

Begin with `client`, which is all that most callers need; `run` follows a single prompt. Below them are the packages
`connection` (HTTP and the socket), `protocol` (what engines say, as types) and `graphs` (what they are told to do),
and below those `errors`, the hierarchy of everything that can go wrong.
"""
