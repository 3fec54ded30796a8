"""What stands before engines in the world: a server that wants to be asked rightly, and then hands on to the engine."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import WSMsgType, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from yarl import URL

Ask = Callable[[web.Request], web.StreamResponse | None]


@dataclass
class Door:
    """Asks `ask` about every request: an answer of it is sent, None lets the request through to `engine`.

    `asked` are the methods, paths and queries that came, `headers` what came with the last.
    """

    engine: str
    ask: Ask = lambda request: None
    prefix: str = ""
    asked: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request, a live connection too."""
        self.asked.append(f"{request.method} {request.raw_path}")
        self.headers = dict(request.headers)
        if (answer := self.ask(request)) is not None:
            return answer
        query = [(name, value) for name, value in request.query.items() if name not in ("token", "key")]
        there = URL(self.engine + request.rel_url.raw_path.removeprefix(self.prefix), encoded=True).with_query(query)
        async with aiohttp.ClientSession() as session:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await _live(request, session, there)
            kind = {"Content-Type": request.headers["Content-Type"]} if "Content-Type" in request.headers else {}
            body = await request.read()
            async with session.request(request.method, there, data=body or None, headers=kind) as said:
                content = {"Content-Type": said.headers.get("Content-Type", "application/json")}
                return web.Response(status=said.status, body=await said.read(), headers=content)


async def _live(request: web.Request, session: aiohttp.ClientSession, there: URL) -> web.WebSocketResponse:
    near = web.WebSocketResponse()
    await near.prepare(request)
    async with session.ws_connect(there) as far:
        await far.send_str((await near.receive()).data)
        hearing = asyncio.create_task(_hand_on(far, near))
        await near.receive()  # the end: a studio says nothing more
        hearing.cancel()
    return near


async def _hand_on(far: aiohttp.ClientWebSocketResponse, near: web.WebSocketResponse) -> None:
    async for message in far:
        if message.type is WSMsgType.TEXT:
            await near.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await near.send_bytes(message.data)


@asynccontextmanager
async def standing(door: Door, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[URL]:
    """The address of `door` while it stands."""
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", door.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, host, 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    try:
        place = URL.build(scheme="https" if tls else "http", host=host, port=port)
        yield place.with_path(door.prefix or "/", encoded=True)
    finally:
        await runner.cleanup()


def certificate(folder: Path, host: str = "127.0.0.1", *, days: int = 30) -> tuple[Path, ssl.SSLContext]:
    """A certificate that signs itself, as a file with it and what a server needs; negative `days`: expired."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    try:
        known: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        known = x509.DNSName(host)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=60))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([known]), critical=False)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / f"{host}-{days}.pem", folder / f"{host}-{days}.key"
    public.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    unlocked = serialization.NoEncryption()
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, unlocked)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context
