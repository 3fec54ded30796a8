"""The preview engine: a server that speaks ComfyUI's API and draws sketches instead of running a diffusion model.

It is for newcomers without a GPU, and it is the scriptable engine of all tests. `server.PreviewEngine` runs inside an
event loop, `server.PreviewThread` beside synchronous code, `manage.py preview_engine` as a process of its own.
"""
