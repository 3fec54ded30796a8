"""The nginx of the operators' guide, as written there but for ports and files."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs/operators/proxy.md"
NGINX = shutil.which("nginx") or "/usr/sbin/nginx"
HOST = "studio.example.org"
MISSING = [name for name in (NGINX, "openssl") if not shutil.which(name)]


def block(begin: str) -> str:
    """The example in the guide that begins like this."""
    found = re.search(rf"^```\n({re.escape(begin)}.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    assert found, begin
    return found[1]


def config(folder: Path, port: int) -> Path:
    """A configuration that listens on `port`, with a certificate for HOST."""
    key, certificate = folder / "key", folder / "crt"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={HOST}", "-days", "2"]
    subprocess.run([*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    site = block("map $http_upgrade").replace("listen 443", f"listen {port}")
    site = site.replace(f"/etc/ssl/{HOST}.crt", str(certificate)).replace(f"/etc/ssl/{HOST}.key", str(key))
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = folder / "nginx.conf"
    # One process, as whoever runs the tests: a worker of root's would be somebody who cannot write here.
    file.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ access_log off; {temporary}\n{site}}}\n"
    )
    return file


def started(file: Path) -> subprocess.Popen[bytes]:
    """nginx with this configuration; what goes wrong is in error.log beside it."""
    return subprocess.Popen([NGINX, "-e", str(file.with_name("error.log")), "-c", str(file)], cwd=file.parent)
