"""The content types of a studio's files, by suffix."""

from __future__ import annotations

CONTENT_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
    ".safetensors": "application/octet-stream",
    ".zip": "application/zip",
}
