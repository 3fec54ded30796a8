"""Addresses of the preview engine that stand beside its prompts: jobs, files, scripts, and what surrounds them all.

Uses the queue, the files and the troubles of the engine; `server` puts them together. Begin with `edge`.
"""
