"""The ComfyUI servers of a studio: their addresses, health, files and nodes, and installing LoRA files on them.

Uses `styles`. Begin with `models`, then `roster`; `installs` puts files of styles on engines.
"""
