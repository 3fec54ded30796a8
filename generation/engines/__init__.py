"""The ComfyUI servers of a studio: who they are, how they are, what they have and lack, and putting files on them.

Uses `styles`. Begin with `models`, then `roster`; `installs` puts files of styles there.
"""
