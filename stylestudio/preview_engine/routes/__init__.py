"""The preview engine's routes other than those for prompts: jobs, files, scripts, and the middleware around them.

Uses the queue, the files and the troubles of the engine; `server` puts them together. Begin with `edge`.
"""
