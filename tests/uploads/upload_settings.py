"""The product's settings for a studio with a page that takes uploads (tests.uploads.upload_urls)."""

from __future__ import annotations

from stylestudio.settings import *  # noqa: F403

ROOT_URLCONF = "tests.uploads.upload_urls"
