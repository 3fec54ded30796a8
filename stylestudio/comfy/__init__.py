"""The engine client: talks to ComfyUI servers, and knows nothing of Django, channels or huey."""
