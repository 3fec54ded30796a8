"""The preview engine: a server that speaks ComfyUI's API and draws sketches instead of diffusing pictures.

It serves newcomers who have no GPU, and it is the scriptable engine of all tests. `server.PreviewEngine` runs inside an
event loop, `server.PreviewThread` beside synchronous code, `manage.py preview_engine` as a process of its own.
"""
