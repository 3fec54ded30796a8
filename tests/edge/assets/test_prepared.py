"""Prepared static files: new names, in modules and style sheets too, kept over updates, compressed, right to a byte."""

from __future__ import annotations

import gzip
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.templatetags.static import static
from pytest_django import Settings

from stylestudio.edge.assets import prepared
from stylestudio.edge.assets.static_files import StaticFiles
from stylestudio.edge.serving import Message, Receive, Scope, Send

YEAR = "max-age=31536000, public, immutable"
WORDS = "// what a module is for\n" * 50
ENTRY = 'import { one } from "./deep.js";\nimport "./side.js";\none();\n'


@pytest.fixture(autouse=True)
def own_names() -> Iterator[None]:
    """What pages refer to is known to the whole process."""
    yield
    staticfiles_storage.use({})  # type: ignore[attr-defined]


@pytest.fixture
def source(tmp_path: Path, settings: Settings) -> Path:
    """A few files: a module that imports one that imports another one, and a style sheet with a picture."""
    folder = tmp_path / "source"
    for name, text in {
        "js/app.js": ENTRY,
        "js/deep.js": f'import {{\n  two,\n}} from "./deeper.js";\nexport const one = two;\n{WORDS}',
        "js/deeper.js": "export const two = () => 2;\n",
        "js/side.js": "// nothing\n",
        "css/app.css": '@import "parts.css";\nbody { background: url("../icons/paper.svg#a") }\n',
        "css/parts.css": "p { color: red }\n" * 50,
        "icons/paper.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    settings.STATICFILES_DIRS = [folder]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    return folder


def site() -> StaticFiles:
    """As the web process makes it at its start, before pages that say 418."""

    async def pages(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    served = StaticFiles(pages)
    served.add(prepared.prepare())
    return served


async def ask(served: StaticFiles, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    sent: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("nobody needs the body of a request for a file")

    async def send(message: Message) -> None:
        sent.append(message)

    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await served({"type": "http", "method": method, "path": path, "headers": lines}, receive, send)
    start, body = sent
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body["body"]


def update(source: Path, name: str = "js/deeper.js") -> None:
    """Another version of the studio, in which one file differs."""
    (source / name).write_text((source / name).read_text() + "\n")


async def test_a_name_is_kept_for_a_year_and_is_another_one_when_what_is_imported_far_below_changes(
    source: Path,
) -> None:
    served, first = site(), {name: static(name) for name in ("js/app.js", "js/side.js", "css/app.css")}
    status, headers, _body = await ask(served, first["js/app.js"])
    assert (status, headers["cache-control"]) == (200, YEAR)
    update(source)
    site()
    assert static("js/app.js") != first["js/app.js"]
    assert [static(name) for name in ("js/side.js", "css/app.css")] == [first["js/side.js"], first["css/app.css"]]


async def test_names_in_modules_and_style_sheets_are_those_that_are_served(source: Path) -> None:
    served, found, new = site(), set[str](), {static("js/app.js"), static("css/app.css")}
    while new:
        address = new.pop()
        found.add(address)
        status, _headers, body = await ask(served, address)
        assert status == 200, address
        names = re.findall(r'["(]((?:\./|\.\./)?[\w./]+\.(?:js|css|svg))', body.decode())
        new |= {os.path.normpath(f"{address.rpartition('/')[0]}/{name}") for name in names} - found
    assert {re.sub(r"\.[0-9a-f]{12}", "", address) for address in found} == {
        f"/static/{path.relative_to(source)}" for path in source.rglob("*") if path.is_file()
    }
    assert all(re.search(r"\.[0-9a-f]{12}\.\w+$", address) for address in found)


async def test_a_page_that_is_older_than_two_updates_goes_on_to_find_its_files(source: Path) -> None:
    addresses, bodies = [], []
    for _version in range(4):
        served = site()
        addresses.append(static("js/deeper.js"))
        bodies.append((await ask(served, addresses[-1]))[2])
        update(source)
    assert len(set(addresses)) == 4
    answers = [await ask(served, address) for address in addresses]
    assert [body for _status, _headers, body in answers[1:]] == bodies[1:]
    assert [headers["cache-control"] for _status, headers, _body in answers[1:]] == [YEAR] * 3
    # What is older still gets the file of today, which nobody keeps under that name.
    assert answers[0][1]["cache-control"] == "no-store" and answers[0][2] == bodies[3]
    assert (await ask(served, "/static/js/gone.0123456789ab.js"))[0] == 418


async def test_while_machines_are_updated_a_page_finds_all_files_on_each_and_keeps_no_wrong_one(
    source: Path, tmp_path: Path, settings: Settings
) -> None:
    machines, names = list[StaticFiles](), set[str]()
    for version in ("before", "after"):
        settings.DATA = tmp_path / version
        settings.DATA.mkdir()
        machines.append(site())
        names |= {static(name) for name in ("js/app.js", "js/deep.js", "js/deeper.js", "css/app.css")}
        update(source)
    assert len(names) == 4 + 3  # the style sheet is the same
    for address in names:
        answers = [await ask(machine, address) for machine in machines]
        assert [status for status, _headers, _body in answers] == [200, 200]
        kept = {body for _status, headers, body in answers if headers["cache-control"] == YEAR}
        assert len(kept) == 1
        assert {headers["cache-control"] for _status, headers, body in answers if body not in kept} <= {"no-store"}


async def test_a_version_to_which_one_goes_back_is_in_use_again_and_the_newest_of_the_kept(source: Path) -> None:
    site()
    first, text = static("js/deeper.js"), (source / "js/deeper.js").read_text()
    update(source)
    site()
    (source / "js/deeper.js").write_text(text)
    site()
    assert static("js/deeper.js") == first
    for _version in range(2):
        update(source, "js/side.js")
        served = site()
    assert (await ask(served, first))[1]["cache-control"] == YEAR


def test_what_has_not_changed_is_not_made_again_and_half_a_set_is_none(source: Path, own_data: Path) -> None:
    (made,) = prepared.prepare()
    marker = made.folder / "marker"
    marker.touch()
    (own_data / "static" / ".0123456789abcdef.1").mkdir()
    assert prepared.prepare() == [made] and marker.exists()
    assert prepared.prepare()[0].names["js/app.js"] == made.names["js/app.js"]


@pytest.mark.parametrize("damage", ["emptied", "deleted", "no list"])
async def test_a_set_that_a_power_cut_has_damaged_is_made_again(source: Path, damage: str) -> None:
    (made,) = prepared.prepare()
    file = made.folder / (prepared.SUMS if damage == "no list" else f"{made.names['js/deep.js']}.gz")
    file.unlink()
    if damage == "emptied":
        file.touch()
    served, address = site(), static("js/deep.js")
    _status, headers, body = await ask(served, address, accept_encoding="gzip")
    assert headers["content-encoding"] == "gzip" and WORDS.encode() in gzip.decompress(body)


async def test_what_is_deleted_under_a_running_studio_is_served_as_it_is(source: Path, own_data: Path) -> None:
    served, address = site(), static("js/app.js")
    shutil.rmtree(own_data / "static")
    for encoding in ("gzip", "identity"):
        status, headers, body = await ask(served, address, accept_encoding=encoding)
        assert (status, headers["cache-control"], body.decode()) == (200, "no-store", ENTRY)
    (source / "js/app.js").unlink()
    assert (await ask(served, address))[0] == 418


def test_what_a_start_that_was_killed_has_left_is_gone_a_while_later(source: Path, own_data: Path) -> None:
    drafts = [own_data / "static" / name for name in (".0123456789abcdef.old", ".0123456789abcdef.new")]
    for draft in drafts:
        draft.mkdir(parents=True)
        (draft / "half.js").touch()
    os.utime(drafts[0], (1, 1))
    prepared.prepare()
    assert [draft.exists() for draft in drafts] == [False, True]


def test_a_file_that_is_in_no_set_is_referred_to_by_its_own_name(source: Path) -> None:
    site()
    assert static("js/later.js") == "/static/js/later.js"


def test_only_three_sets_stay(source: Path, own_data: Path) -> None:
    for _version in range(6):
        prepared.prepare()
        update(source)
    assert len(list((own_data / "static").iterdir())) == prepared.KEPT


async def test_where_nothing_can_be_written_files_keep_their_names(
    source: Path, own_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (own_data / "static").write_text("in the way")
    assert prepared.prepare() == []
    assert static("js/app.js") == "/static/js/app.js"
    assert "could not be prepared" in caplog.text
    # A page that was open before the disk was full goes on to find its files.
    status, headers, body = await ask(site(), "/static/js/app.0123456789ab.js")
    assert (status, headers["cache-control"], body.decode()) == (200, "no-store", ENTRY)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("css/app.css", 'body { background: url("missing.png") }'),
        ("js/deeper.js", 'import "./deep.js";\nexport const two = () => 2;\n'),
    ],
    ids=["a missing file", "modules that import each other"],
)
def test_a_file_that_cannot_be_prepared_does_not_keep_the_studio_from_starting(
    source: Path, own_data: Path, name: str, text: str
) -> None:
    (source / name).write_text(text)
    assert prepared.prepare() == []
    assert list((own_data / "static").iterdir()) == []


def test_with_debug_nothing_is_prepared_and_changes_show(source: Path, own_data: Path, settings: Settings) -> None:
    settings.DEBUG = True
    assert prepared.prepare() == [] and not (own_data / "static").exists()
    assert static("js/app.js") == "/static/js/app.js"


def test_the_files_of_the_studio_itself_can_be_prepared_and_no_module_names_another_one_as_it_was() -> None:
    (made,) = prepared.prepare()
    scripts = [made.folder / hashed for name, hashed in made.names.items() if re.match(r"js/.+\.js$", name)]
    assert len(scripts) > 10
    named = [
        script.parent / name for script in scripts for name in re.findall(r'"(\.{1,2}/[^"]+\.js)"', script.read_text())
    ]
    assert named and all(path.is_file() and re.search(r"\.[0-9a-f]{12}\.js$", path.name) for path in named)
    assert {"admin/css/base.css", "django_htmx/htmx-2.min.js"} < made.names.keys()


async def test_a_compressed_answer_is_the_same_file_and_says_so(source: Path) -> None:
    served, address = site(), static("js/deep.js")
    plain = await ask(served, address)
    status, headers, body = await ask(served, address, accept_encoding="gzip, deflate, br")
    assert (status, headers["content-encoding"], headers["vary"]) == (200, "gzip", "Accept-Encoding")
    assert gzip.decompress(body) == plain[2] and len(body) < len(plain[2]) / 3
    assert headers["content-length"] == str(len(body))
    assert headers["content-type"] == plain[1]["content-type"] == 'text/javascript; charset="utf-8"'
    assert "content-encoding" not in plain[1] and plain[1]["vary"] == "Accept-Encoding"
    # Two sequences of bytes are not one, so a piece of one never completes the other.
    assert headers["etag"] == f"W/{plain[1]['etag']}"


async def test_conditions_ranges_and_heads_are_answered_as_for_any_file(source: Path) -> None:
    served, address = site(), static("js/deep.js")
    _status, headers, whole = await ask(served, address)
    for known in (headers["etag"], f"W/{headers['etag']}", f'"other", W/{headers["etag"]}'):
        assert (await ask(served, address, if_none_match=known, accept_encoding="gzip"))[::2] == (304, b"")
    assert (await ask(served, address, if_none_match='"other"'))[0] == 200
    status, part, body = await ask(served, address, range="bytes=10-19", accept_encoding="gzip")
    assert (status, body, part["content-range"]) == (206, whole[10:20], f"bytes 10-19/{len(whole)}")
    assert "content-encoding" not in part
    assert (await ask(served, address, range="bytes=0-1", if_range=headers["etag"]))[0] == 206
    assert (await ask(served, address, range="bytes=0-1", if_range='"other"'))[::2] == (200, whole)
    assert (await ask(served, address, range=f"bytes={len(whole)}-"))[0] == 416
    status, head, body = await ask(served, address, "HEAD", accept_encoding="gzip")
    assert (status, head["content-encoding"], body) == (200, "gzip", b"")


@pytest.mark.parametrize(("name", "kind"), [("icons/paper.svg", "image/svg+xml"), ("css/app.css", "text/css")])
async def test_a_type_is_that_of_the_file_whatever_its_name(source: Path, name: str, kind: str) -> None:
    served = site()
    assert (await ask(served, static(name)))[1]["content-type"].startswith(kind)
