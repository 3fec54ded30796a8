#!/bin/sh
# imagesize 1.4.1, which sd-scripts pins and asks for the sizes of pictures, reads both sides of a WebP with a colour
# profile, EXIF or XMP (its first chunk is VP8X) one pixel short: that chunk holds the sides less one. A plain WebP is read
# right. So sd-scripts puts a picture of 1024 x 1024 into the bucket below. Mended by imagesize 2.0.1.
# Exit code 0: it is so. Needs a network for pip.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check imagesize==1.4.1 pillow==13.0.0
"$work/venv/bin/python" - <<'PYTHON'
import io

import imagesize
from PIL import Image, ImageCms

profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
seen = {}
for name, options in (("plain", {}), ("with a profile", {"icc_profile": profile})):
    file = io.BytesIO()
    Image.new("RGB", (1024, 768)).save(file, "WEBP", **options)
    seen[name] = imagesize.get(io.BytesIO(file.getvalue()))
    print(f"1024 x 768, {name}: {seen[name]}")
raise SystemExit(seen != {"plain": (1024, 768), "with a profile": (1023, 767)})
PYTHON
