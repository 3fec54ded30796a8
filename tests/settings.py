"""The product's settings on a data folder of its own, so that tests never touch a real studio."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

os.environ["STYLESTUDIO_DATA"] = _folder = tempfile.mkdtemp(prefix="stylestudio-test-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
for _name in ("COMFYUI_URL", "STYLESTUDIO_PREVIEW_URL", "DATABASE_URL", "REDIS_URL", "S3_BUCKET"):
    os.environ.pop(_name, None)

from stylestudio.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
