#!/bin/sh
# aiohttp's ClientConnectorCertificateError is an ssl.SSLCertVerificationError, but has none of its fields: verify_code
# and verify_message raise AttributeError. They are on its certificate_error. Whoever catches the error of the standard
# library and asks why a certificate was not accepted meets a second error in its place.
# Exit code 0: it is so. Needs a network for pip, and openssl.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check aiohttp==3.14.5
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 \
    -keyout "$work/key.pem" -out "$work/certificate.pem" 2>/dev/null
"$work/venv/bin/python" - "$work" <<'PYTHON'
import asyncio
import ssl
import sys

import aiohttp
from aiohttp import web


async def main(folder: str) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/certificate.pem", f"{folder}/key.pem")
    runner = web.AppRunner(web.Application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    port = runner.addresses[0][1]
    try:
        async with aiohttp.ClientSession() as session:
            await session.get(f"https://127.0.0.1:{port}/")
    except ssl.SSLCertVerificationError as error:
        print("aiohttp", aiohttp.__version__, type(error).__name__)
        print("is an ssl.SSLCertVerificationError:", True)
        print("has verify_code:", hasattr(error, "verify_code"))
        print("certificate_error.verify_code:", error.certificate_error.verify_code)
        return not hasattr(error, "verify_code") and error.certificate_error.verify_code == 18
    finally:
        await runner.cleanup()
    return False


sys.exit(0 if asyncio.run(main(sys.argv[1])) else 1)
PYTHON
