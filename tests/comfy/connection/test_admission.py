"""Engines behind something: tokens, passwords, path prefixes, certificates, sign-ins, redirects."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from stylestudio.comfy.client import ComfyClient
from stylestudio.comfy.connection import address, admission
from stylestudio.comfy.errors import BadResponse, ComfyError, EngineUnreachable, NotConnected, NotTrusted, SignInNeeded
from stylestudio.comfy.graphs.graph import Graph
from stylestudio.comfy.protocol.events import Completed, ImageRef
from stylestudio.preview_engine import troubles as t
from stylestudio.preview_engine.server import PreviewEngine
from stylestudio.text import concealed
from tests.comfy.connection.door import Ask, Door, certificate, standing

Make = Callable[..., Graph]
PASSWORD = "p@ss:w/ö?#%rd ☂"
TOKEN = "aZ09-._~+/=="


def wants(test: Callable[[web.Request], bool]) -> Ask:
    """A door that opens to requests of which `test` is true."""
    return lambda request: None if test(request) else web.Response(status=401, text="<html>Sign in</html>")


def basic(request: web.Request) -> bool:
    return request.headers.get("Authorization") == aiohttp.encode_basic_auth("ada", PASSWORD, "utf-8")


def bearer(request: web.Request) -> bool:
    return request.headers.get("Authorization") == f"Bearer {TOKEN}"


def in_query(request: web.Request) -> bool:
    return request.query.getall("token", []) == [TOKEN] and request.query.get("key") == ""


USER = f"ada:{quote(PASSWORD, safe='')}"
WAYS = {
    "a password with odd signs": (wants(basic), USER, ""),
    "a bearer token": (wants(bearer), f"bearer:{quote(TOKEN, safe='')}", ""),
    "a token in the address": (wants(in_query), "", f"?token={quote(TOKEN, safe='')}&key"),
    "both": (wants(lambda request: basic(request) and in_query(request)), USER, f"?token={quote(TOKEN, safe='')}&key"),
    "a token with bare signs": (wants(lambda request: "token=a+b=" in request.raw_path), "", "?token=a+b="),
}  # fmt: skip


def let_in(place: URL, person: str, query: str) -> str:
    """The address to call of a door at `place`."""
    return address.join_credentials(str(place).rstrip("/"), person + query)


async def use_all(client: ComfyClient, graph: Graph) -> None:
    """Requests, an upload, the live connection, a picture: as JSON, as a file, in pieces, and its size."""
    assert (await client.system_stats()).version
    assert await client.models("checkpoints")
    await client.upload_image(b"\x89PNG", "a.png")
    ended = None
    async for event in client.run(graph, "5f1c1ad0-0000-4000-8000-000000000001"):
        ended = event
    assert isinstance(ended, Completed)
    [[picture]] = ended.outputs.values()
    whole, copy = await client.fetch(picture), io.BytesIO()
    await client.fetch_to(picture, copy)
    assert whole == copy.getvalue() and whole.startswith(b"\x89PNG")
    await client.free()


@pytest.mark.parametrize("way", WAYS)
async def test_everything_works_through_a_door_that_wants(
    preview: PreviewEngine, session: aiohttp.ClientSession, graph: Make, way: str
) -> None:
    ask, person, query = WAYS[way]
    door = Door(preview.url, ask, prefix="/my%20comfy")
    async with standing(door) as place:
        client = ComfyClient(session, let_in(place, person, query), client_id="studio")
        await use_all(client, graph())
        await client.close()
    assert any(asked.startswith("GET /my%20comfy/ws?") for asked in door.asked)
    assert client.transport.name == str(place)


async def test_an_engine_at_an_address_of_ipv6_is_reached(
    preview: PreviewEngine, session: aiohttp.ClientSession, graph: Make
) -> None:
    async with standing(Door(preview.url, wants(basic)), host="::1") as place:
        client = ComfyClient(session, let_in(place, USER, ""), client_id="studio")
        await use_all(client, graph())
        await client.close()
        assert client.transport.name.startswith("http://[::1]:")


@pytest.mark.parametrize(
    ("status", "way"),
    [(401, ""), (403, ""), (407, ""), (401, "a bearer token"), (403, "both"), (401, "a password with odd signs")],
)
async def test_who_is_not_let_in_reads_that(
    preview: PreviewEngine, session: aiohttp.ClientSession, status: int, way: str
) -> None:
    _ask, person, query = WAYS.get(way, (None, "", ""))
    async with standing(Door(preview.url, lambda request: web.Response(status=status))) as place:
        client = ComfyClient(session, let_in(place, person, query), client_id="studio")
        for ask in (client.system_stats(), client.socket.open(), client.submit({}, "1", {}), client.queue()):
            with pytest.raises(SignInNeeded, match=rf"is not ComfyUI: it asks for a sign-in \({status}\)") as caught:
                await ask
            words = str(caught.value)
            assert ("that it was sent" in words) == bool(way), words
            assert concealed.HIDDEN not in words and not any(
                s in words + caught.value.detail for s in (PASSWORD, TOKEN)
            )


REDIRECTS = {
    "/login?next=/queue": (SignInNeeded, "asks for a sign-in"),
    "/users/sign_in": (SignInNeeded, "asks for a sign-in"),
    "/outpost.goauthentik.io/start?rd=x": (SignInNeeded, "asks for a sign-in"),
    "https://team.example.org/cdn-cgi/access/login/gpu?meta=s3cret": (SignInNeeded, "https://team.example.org"),
    "//elsewhere.example.org/": (SignInNeeded, "http://elsewhere.example.org"),
    "/somewhere": (BadResponse, "sends on to"),
    "http://[broken": (BadResponse, ""),  # told like any other answer that is none
}


@pytest.mark.parametrize(("status", "to"), list(zip([301, 302, 303, 307, 308] * 2, REDIRECTS, strict=False)))
async def test_a_redirect_is_told_and_never_followed(
    preview: PreviewEngine, session: aiohttp.ClientSession, status: int, to: str
) -> None:
    kind, words = REDIRECTS[to]
    door = Door(preview.url, lambda request: web.Response(status=status, headers={"Location": to}))
    async with standing(door) as place:
        client = ComfyClient(session, str(place), client_id="studio")
        asked = (
            (client.queue(), "is not ComfyUI"),
            (client.fetch(ImageRef("a.png", "", "output")), "refused to hand out"),
        )
        for ask, refusal in asked:
            with pytest.raises(kind) as caught:
                await ask
            assert (words or refusal) in str(caught.value)
            assert "s3cret" not in str(caught.value)
        with pytest.raises(ComfyError):
            await client.socket.open()
    assert [asked.split("?")[0] for asked in door.asked] == ["GET /queue", "GET /view", "GET /ws"]


async def test_the_live_connection_follows_no_redirect_to_another_server(
    preview: PreviewEngine, session: aiohttp.ClientSession
) -> None:
    inner = Door(preview.url)
    async with standing(inner) as secret_place:
        outer = Door(preview.url, lambda request: web.Response(status=302, headers={"Location": f"{secret_place}ws"}))
        async with standing(outer) as place:
            client = ComfyClient(session, let_in(place, USER, "?token=let-in-7f3a"), client_id="studio")
            with pytest.raises(BadResponse):
                await client.socket.open()
    assert inner.asked == []


async def test_an_address_that_moved_to_https_is_told_with_the_new_one(
    preview: PreviewEngine, session: aiohttp.ClientSession
) -> None:
    door = Door(
        preview.url, lambda r: web.Response(status=301, headers={"Location": f"https://gpu.example.org{r.path}"})
    )
    async with standing(door) as place:
        with pytest.raises(
            BadResponse, match=r"sends on to https://gpu\.example\.org\. If that is where the engine is"
        ):
            await ComfyClient(session, str(place), client_id="studio").system_stats()


async def test_a_token_that_is_exchanged_for_a_cookie_is_better_given_as_a_bearer_token(
    preview: PreviewEngine, session: aiohttp.ClientSession
) -> None:
    door = Door(preview.url, lambda request: web.Response(status=302, headers={"Location": request.path}))
    async with standing(door) as place:
        with pytest.raises(BadResponse, match="give that as a bearer token"):
            await ComfyClient(session, f"{place}?token=abcdefghijk", client_id="studio").system_stats()


async def test_a_page_with_a_password_field_is_a_sign_in(
    preview: PreviewEngine, session: aiohttp.ClientSession
) -> None:
    page = "<form><input name='p' type='password'></form>"
    async with standing(Door(preview.url, lambda request: web.Response(text=page, content_type="text/html"))) as place:
        with pytest.raises(SignInNeeded, match="a page with a password field"):
            await ComfyClient(session, str(place), client_id="studio").system_stats()


async def test_what_comfyui_itself_refuses_to_hand_out_is_no_sign_in(
    preview: PreviewEngine, session: aiohttp.ClientSession
) -> None:
    async with standing(Door(preview.url, lambda request: web.Response(status=403), prefix="/c")) as place:
        client = ComfyClient(session, str(place), client_id="studio")
        with pytest.raises(BadResponse, match="refused to hand out") as caught:
            await client.fetch(ImageRef("a.png", "..", "output"))
    assert not isinstance(caught.value, EngineUnreachable)


# Certificates


async def test_an_engine_with_its_own_certificate_works_where_a_file_says_so(
    preview: PreviewEngine, graph: Make, tmp_path: Path
) -> None:
    file, tls = certificate(tmp_path)
    connector = aiohttp.TCPConnector(ssl=admission.trust(file))
    async with standing(Door(preview.url), tls=tls) as place, aiohttp.ClientSession(connector=connector) as session:
        client = ComfyClient(session, str(place), client_id="studio")
        await use_all(client, graph())
        await client.close()


@pytest.mark.parametrize(
    ("host", "days", "known", "words"),
    [
        ("127.0.0.1", 30, False, "signed by nobody whom this machine trusts"),
        ("127.0.0.1", -1, True, "has expired"),
        ("gpu.example.org", 30, True, "is for another host name"),
    ],
)
async def test_a_certificate_that_is_not_accepted_is_told_as_that(
    preview: PreviewEngine, tmp_path: Path, host: str, days: int, known: bool, words: str
) -> None:
    file, tls = certificate(tmp_path, host, days=days)
    connector = aiohttp.TCPConnector(ssl=admission.trust(file) if known else True)
    door = Door(preview.url)
    async with standing(door, tls=tls) as place, aiohttp.ClientSession(connector=connector) as session:
        client = ComfyClient(session, let_in(place, USER, ""), client_id="studio")
        for ask in (client.system_stats(), client.socket.open()):
            with pytest.raises(NotTrusted, match=words):
                await ask
    assert door.asked == []


async def test_a_server_without_tls_and_one_with_it_are_told_apart(
    preview: PreviewEngine, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with standing(Door(preview.url)) as place:
        with pytest.raises(NotTrusted, match=r"write http:// for it"):
            await ComfyClient(session, str(place.with_scheme("https")), client_id="studio").system_stats()
    _file, tls = certificate(tmp_path)
    async with standing(Door(preview.url), tls=tls) as place:
        with pytest.raises(ComfyError) as caught:
            await ComfyClient(session, str(place.with_scheme("http")), client_id="studio").system_stats()
    assert not isinstance(caught.value, NotConnected)


def test_a_file_without_a_certificate_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    for content in (b"", b"hello", b"\x30\x82\x01"):
        file.write_bytes(content)
        with pytest.raises(OSError):
            admission.trust(file)
    with pytest.raises(OSError):
        admission.trust(tmp_path / "none.pem")


# What an engine repeats


@pytest.mark.parametrize("secret", [PASSWORD, TOKEN, "abc", "☂☂☂☂☂☂☂☂☂☂☂"])
async def test_an_engine_that_repeats_its_address_tells_no_secret(
    preview: PreviewEngine, session: aiohttp.ClientSession, graph: Make, secret: str
) -> None:
    coded = quote(secret, safe="")
    query = f"?token={coded}"
    preview.troubles.add(t.FailNode("VAEDecode", "ValueError", f"GET /?token={secret} or {coded} failed"))
    client = ComfyClient(session, address.join_credentials(preview.url, f"ada:{coded}{query}"), client_id="studio")
    said: list[str] = []
    for attach in (False, True):  # as it is told at once, and as the engine remembers it
        with pytest.raises(ComfyError) as caught:
            async for _event in client.run(graph(), "5f1c1ad0-0000-4000-8000-000000000002", attach=attach):
                pass
        said += [str(caught.value), caught.value.detail]
    bodies = (f'{{"error": {{"message": "no {secret} or {coded}"}}}}', f"<html>{secret} {coded}", f'["{secret}"]')
    for status in (200, 400, 404, 500, 502):
        for body in bodies:
            preview.troubles.add(t.Answer("/prompt", "POST", status=status, body=body.encode()))
            with pytest.raises(ComfyError) as caught:
                await client.submit({}, "1", {})
            said += [str(caught.value), caught.value.detail]
    await client.close()
    assert not [words for words in said if secret in words or coded in words]
    assert any(concealed.HIDDEN in words for words in said)


def test_addresses_are_taken_apart_and_put_together_again() -> None:
    for url, bare, secret in [
        ("http://HOST:80/", "http://host", ""),
        ("https://h/comfy/?token=a%2Bb==", "https://h/comfy", "?token=a%2Bb=="),
        ("http://ada:p%40ss@[::1]:8188", "http://[::1]:8188", "ada:p%40ss"),
        ("http://:pw@h:1", "http://h:1", ":pw"),
        ("http://ada@h:1/#x", "http://h:1", "ada"),
        ("https://bearer:t%2Fk@h/a%2Fb/?k=1&k=2", "https://h/a%2Fb", "bearer:t%2Fk?k=1&k=2"),
    ]:
        assert address.split_credentials(url) == (bare, secret)
        assert address.split_credentials(address.join_credentials(bare, secret)) == (bare, secret)


def test_what_older_versions_stored_as_it_was_typed_is_still_an_address() -> None:
    for typed in ("ada:p@ss", "ada:p/ss", "ada:p#ss", "ada:p ss", "ada:pä:ss%"):
        parsed = address.callable_url(address.join_credentials("http://gpu:8188", typed))
        assert (parsed.host, parsed.user, parsed.password) == ("gpu", "ada", typed.partition(":")[2])


@pytest.mark.parametrize("typed", [TOKEN, f"Bearer {TOKEN}", f"Authorization: bearer  {TOKEN} "])
def test_a_bearer_token_is_taken_as_people_paste_it(typed: str) -> None:
    assert address.bearer(typed) == f"bearer:{quote(TOKEN, safe='')}"


@pytest.mark.parametrize("typed", ["", "two words", "tok\nen", "tökén"])
def test_what_cannot_be_a_bearer_token_is_refused(typed: str) -> None:
    with pytest.raises(ValueError):
        address.bearer(typed)
    with pytest.raises(ValueError):
        address.callable_url(f"http://bearer:{quote(typed)}@h")
