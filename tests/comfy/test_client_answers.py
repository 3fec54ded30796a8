"""Answers that are not ComfyUI's, and secrets that must not come out."""

from __future__ import annotations

import asyncio
import io
import json
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from stylestudio.comfy.client import ComfyClient
from stylestudio.comfy.errors import (
    BadResponse,
    ComfyError,
    EngineTimeout,
    EngineUnreachable,
    ExecutionFailed,
    GraphInvalid,
    MissingFile,
    NotFound,
    PromptInterrupted,
    without_paths,
)
from stylestudio.comfy.protocol import answers
from stylestudio.comfy.protocol.events import ImageRef
from stylestudio.preview_engine.server import PreviewEngine
from tests.comfy.conftest import Recordings

from .following import Follower

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]
REF = ImageRef("a.png", "", "output")


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """A server that answers every request with the handler; gives its address."""
    runners: list[web.AppRunner] = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


def _saying(body: str | bytes, status: int = 200, content_type: str = "application/json") -> Handler:
    async def handler(request: web.Request) -> web.Response:
        data = body.encode() if isinstance(body, str) else body
        return web.Response(body=data, status=status, content_type=content_type)

    return handler


Question = Callable[[ComfyClient], Awaitable[object]]

QUESTIONS: dict[str, Question] = {
    "history": lambda client: client.history("p"),
    "queue": lambda client: client.queue(),
    "system_stats": lambda client: client.system_stats(),
    "models": lambda client: client.models("loras"),
    "node_classes": lambda client: client.node_classes(),
    "upload": lambda client: client.upload_image(b"x", "a.png"),
    "install": lambda client: client.install_lora(io.BytesIO(b"x"), 1, "a.safetensors"),
    "submit": lambda client: client.submit({}, "p", {}),
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize(
    "body",
    [
        "<html><h1>Welcome to nginx",
        "",
        "{",
        "null",
        "3",
        '"text"',
        "[" * 50_000,
        '{"p": 3}',
        '[{"a": 1}, 3]',
        "\x00\xff",
    ],
)
async def test_what_is_not_comfyuis_is_a_bad_response(
    serve: Serve, session: aiohttp.ClientSession, question: str, body: str
) -> None:
    client = ComfyClient(session, await serve(_saying(body)), client_id="c")
    made_of = {("models", '[{"a": 1}, 3]'): (), ("node_classes", '{"p": 3}'): {"p"}}
    if (question, body) in made_of:
        assert await QUESTIONS[question](client) == made_of[question, body]
        return
    with pytest.raises(BadResponse):
        await QUESTIONS[question](client)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("status", [302, 401, 404, 413, 500, 502, 503])
async def test_an_answer_that_is_not_200_is_an_error_of_the_tree(
    serve: Serve, session: aiohttp.ClientSession, question: str, status: int
) -> None:
    client = ComfyClient(session, await serve(_saying("<html>no", status, "text/html")), client_id="c")
    with pytest.raises(ComfyError):
        await QUESTIONS[question](client)


async def test_redirects_are_not_followed(serve: Serve, session: aiohttp.ClientSession) -> None:
    asked = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        raise web.HTTPFound("/sign-in")

    with pytest.raises(BadResponse, match="is not ComfyUI"):
        await ComfyClient(session, await serve(elsewhere), client_id="c").queue()
    assert asked == ["/queue"]


async def test_no_answer_within_the_time_is_a_timeout(serve: Serve, session: aiohttp.ClientSession) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"{")
        async for _ in request.content:
            pass
        await asyncio.Event().wait()
        return response

    client = ComfyClient(session, await serve(slow), client_id="c", request_timeout=0.1)
    with pytest.raises(EngineTimeout, match=r"within 0\.1 seconds"):
        await client.queue()
    with pytest.raises(EngineTimeout):
        await client.fetch(REF)


async def test_a_connection_that_breaks_in_the_middle_of_a_file_is_no_file(
    serve: Serve, session: aiohttp.ClientSession
) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    with pytest.raises(EngineUnreachable):
        await ComfyClient(session, await serve(broken), client_id="c").fetch(REF)


@pytest.mark.parametrize("declared", [True, False])
async def test_a_giant_answer_is_not_read_to_its_end(
    serve: Serve, session: aiohttp.ClientSession, declared: bool
) -> None:
    written = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse(headers={"Content-Length": str(2**40)} if declared else {})
        await response.prepare(request)
        while written < 2**30:
            await response.write(b"x" * 2**16)
            written += 2**16
        return response

    with pytest.raises(BadResponse, match="too large"):
        await ComfyClient(session, await serve(endless), client_id="c").fetch(REF, limit=2**20)
    assert written < 2**28


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [(404, "gone", NotFound), (200, "", BadResponse), (500, "x", BadResponse), (302, "x", BadResponse)],
)
async def test_a_file_that_does_not_come_is_an_error(
    serve: Serve, session: aiohttp.ClientSession, status: int, body: str, error: type[ComfyError]
) -> None:
    with pytest.raises(error):
        await ComfyClient(session, await serve(_saying(body, status)), client_id="c").fetch(REF)


async def test_user_and_password_and_path_prefix_reach_the_engine(serve: Serve, session: aiohttp.ClientSession) -> None:
    seen: list[tuple[str, str | None]] = []

    async def note(request: web.Request) -> web.Response:
        seen.append((request.path, request.headers.get("Authorization")))
        return web.json_response({"queue_running": [], "queue_pending": []})

    url = (await serve(note)).replace("//", "//anna:p%40ss%C3%A9@") + "/gpu/one/"
    client = ComfyClient(session, url, client_id="c")
    await client.queue()
    await client.object_info("Odd/Name (with signs) ?#")
    expected = aiohttp.encode_basic_auth("anna", "p@ssé", "utf-8")
    assert seen == [("/gpu/one/queue", expected), ("/gpu/one/object_info/Odd/Name (with signs) ?#", expected)]


async def test_the_password_is_in_no_error_and_no_repr(serve: Serve, session: aiohttp.ClientSession) -> None:
    secret = "s3cr-et%40x"

    async def echo(request: web.Request) -> web.Response:
        told = f"{request.headers.get('Authorization')} s3cr-et@x {secret}"
        return web.Response(text=told, status=502 if request.path == "/queue" else 200)

    url = (await serve(echo)).replace("//", f"//anna:{secret}@")
    closed = f"http://anna:{secret}@127.0.0.1:9"
    hidden = (secret, "s3cr-et@x", aiohttp.encode_basic_auth("anna", "s3cr-et@x").split()[1], "anna:")
    said = []
    for address in (url, closed):
        client = ComfyClient(session, address, client_id="c")
        said.append(repr(client))
        calls: list[Question] = [
            *QUESTIONS.values(),
            lambda c: c.socket.open(),
            lambda c: Follower(c.run({}, "p")).end(),
        ]
        for ask in calls:
            with pytest.raises(ComfyError) as caught:
                await ask(client)
            said += [str(caught.value), caught.value.detail, repr(caught.value)]
            if address == closed:
                said.append("".join(traceback.format_exception(caught.value)))
    assert len(said) > 40
    assert [text for text in said for word in hidden if word in text] == []


@pytest.mark.parametrize("url", ["", "127.0.0.1:8188", "ftp://host", "http://"])
async def test_an_address_that_is_none_is_refused_at_once(url: str, session: aiohttp.ClientSession) -> None:
    with pytest.raises(ValueError, match="looks like"):
        ComfyClient(session, url, client_id="c")


async def test_a_socket_that_is_none_of_comfyuis_is_refused(serve: Serve, session: aiohttp.ClientSession) -> None:
    async def chat(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str("welcome to the chat")
        return socket

    with pytest.raises(BadResponse, match="is not ComfyUI"):
        await ComfyClient(session, await serve(chat), client_id="c").socket.open()
    with pytest.raises(BadResponse, match="does not accept a live connection"):
        await ComfyClient(session, await serve(_saying("{}")), client_id="c").socket.open()


async def test_an_engine_that_chooses_its_own_ids_is_too_old(serve: Serve, session: aiohttp.ClientSession) -> None:
    asked: list[tuple[str, Any]] = []

    async def old(request: web.Request) -> web.Response:
        asked.append((request.path, await request.json() if request.can_read_body else None))
        if request.path == "/queue" and request.method == "GET":
            return web.json_response({"queue_running": [], "queue_pending": []})
        return web.json_response({"prompt_id": "its-own", "number": 1, "node_errors": {}})

    with pytest.raises(BadResponse, match="Update its ComfyUI"):
        await ComfyClient(session, await serve(old), client_id="c").submit({}, "ours", {})
    assert ("/queue", {"delete": ["its-own"]}) in asked
    assert ("/interrupt", {"prompt_id": "its-own"}) in asked


async def test_the_graph_goes_out_with_id_and_client_and_never_a_number(
    serve: Serve, session: aiohttp.ClientSession
) -> None:
    sent = []

    async def take(request: web.Request) -> web.Response:
        sent.append(await request.json())
        return web.json_response({"prompt_id": "p", "number": 3, "node_errors": {}})

    client = ComfyClient(session, await serve(take), client_id="c")
    assert await client.submit({"1": {}}, "p", {"preview_method": "auto"}) == 3
    assert sent == [{"prompt": {"1": {}}, "prompt_id": "p", "client_id": "c", "extra_data": {"preview_method": "auto"}}]


@pytest.mark.parametrize("name", ["", 'a".png', "a/b.png", "a\\b.png", "a\r\nX: y.png", "a\0.png"])
async def test_names_that_could_mislead_an_upload_are_refused(session: aiohttp.ClientSession, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        await ComfyClient(session, "http://127.0.0.1:9", client_id="c").upload_image(b"x", name)


async def test_node_classes_are_asked_once_until_forgotten(preview: PreviewEngine, client: ComfyClient) -> None:
    first = await client.object_info("KSampler")
    assert first == await client.object_info("KSampler")
    assert await client.object_info("None such") is await client.object_info("None such") is None
    assert list(preview.requests) == ["GET /object_info/KSampler", "GET /object_info/None such"]
    client.forget()
    assert await client.object_info("KSampler") == first
    assert preview.requests.count("GET /object_info/KSampler") == 2


def test_the_queues_heap_is_put_into_running_order(recorded: Recordings) -> None:
    state = answers.queue_state(recorded("queue")["queue"])
    assert state.running == ("p0-running",)
    assert state.pending == ("p4-num-5", "p6-front", "p3-front", "p1", "p2", "p7-frontfalse", "p5-num99")


@pytest.mark.parametrize(
    ("name", "status", "error"),
    [
        ("cold_run", "success", type(None)),
        ("failed_run", "failed", ExecutionFailed),
        ("interrupted_run", "interrupted", PromptInterrupted),
    ],
)
def test_recorded_history_tells_how_it_ended(recorded: Recordings, name: str, status: str, error: type[object]) -> None:
    history = recorded(name)["history"]
    (prompt_id,) = history
    entry = answers.history_entry(prompt_id, history)
    assert entry is not None
    assert entry.status == status
    assert type(entry.error()) is error
    assert bool(entry.outputs) == (status == "success")


def test_recorded_stats_are_read(recorded: Recordings) -> None:
    stats = answers.system_stats(recorded("cold_run")["system_stats"])
    assert (stats.version, stats.python_version, stats.device_name) == ("0.8.0", "3.11.7", "cpu")
    assert (stats.vram_total, stats.vram_free) == (25276510208, 24018915328)


@pytest.mark.parametrize(
    ("case", "sentence"),
    [
        ("400 value_not_in_list ckpt", "The engine does not have the checkpoint nope.safetensors."),
        ("400 value_not_in_list", "The engine does not have the LoRA nope.safetensors."),
        ("400 custom_validation_failed", "The engine does not have the input picture nofile.png."),
        (
            "400 required_input_missing",
            "The engine does not accept the workflow (KSampler, seed: Required input is missing).",
        ),
        (
            "400 invalid_prompt",
            "The engine does not accept the workflow (Cannot execute because node NoSuchNode does not exist).",
        ),
        ("400 prompt_no_outputs", "The engine does not accept the workflow (Prompt has no outputs)."),
    ],
)
def test_recorded_refusals_become_sentences(recorded: Recordings, case: str, sentence: str) -> None:
    graph = {"6": {"class_type": "LoadImage", "inputs": {"image": "nofile.png"}}}
    error = answers.graph_error(recorded("refusals")["answers"][case], graph, "detail")
    assert str(error) == sentence
    assert isinstance(error, MissingFile) == ("does not have" in sentence)


def test_every_recorded_refusal_is_understood_without_showing_paths(recorded: Recordings) -> None:
    for case, answer in recorded("refusals")["answers"].items():
        error = answers.graph_error(answer, {}, "")
        assert len(error.node_errors) == case.count("+") + (answer["node_errors"] != {})
        assert "/" not in str(error)
        assert "Traceback" not in str(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=3)
            | st.sampled_from(
                ["p", "outputs", "status", "messages", "node_errors", "errors", "system", "queue_running"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_json_makes_the_readers_raise_anything_else(answer: object) -> None:
    for read in (
        lambda: answers.history_entry("p", answer),
        lambda: answers.history_entry("p", {"p": answer}),
        lambda: answers.history_entry("p", {"p": {"outputs": {}, "status": answer}}),
        lambda: answers.queue_state(answer),
        lambda: answers.queue_state({"queue_running": answer, "queue_pending": []}),
        lambda: answers.system_stats(answer),
        lambda: answers.system_stats({"system": answer, "devices": answer}),
    ):
        try:
            read()
        except BadResponse as error:
            assert str(error)
    assert isinstance(answers.graph_error(answer, {}, ""), GraphInvalid)
    assert isinstance(answers.graph_error({"node_errors": {"1": {"errors": [answer]}}}, {}, ""), GraphInvalid)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("cannot open '/srv/comfy/input/a b.png'", "cannot open 'a b.png'"),
        ("no file /home/anna/x.safetensors, sorry", "no file x.safetensors, sorry"),
        (r"not found: C:\Users\anna\ComfyUI\models\x.pt", "not found: x.pt"),
        ("ratio 3/4 and 1.5/2 stay", "ratio 3/4 and 1.5/2 stay"),
        ("first line\nsecond", "first line"),
        ("", ""),
    ],
)
def test_folders_of_the_engines_machine_are_cut_away(text: str, cleaned: str) -> None:
    assert without_paths(text) == cleaned


def test_a_long_reason_is_cut_short() -> None:
    assert len(without_paths("word " * 1000)) == 300


@given(st.text())
def test_any_reason_can_be_cleaned(text: str) -> None:
    assert len(without_paths(text)) <= 300
    assert json.dumps(without_paths(text))
