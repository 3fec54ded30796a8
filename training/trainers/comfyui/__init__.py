"""Trains with ComfyUI's own training nodes on an engine, in segments that each leave a checkpoint."""
