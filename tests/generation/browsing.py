"""What a browser sends: a valid form, a file, a signed-in client; and rows that pages show."""

from __future__ import annotations

import io
import re
from typing import Any

from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from generation.engines.models import Engine
from generation.ordering import orders, references
from generation.ordering.orders import Order
from generation.pictures.models import EnginePrompt, GeneratedImage, GenerationTask, Reference
from tests.pages import tight

HTMX = {"HX-Request": "true"}
VALID = {
    "mode": "text",
    "prompt": "a red house",
    "shape": "1216x832",
    "count": "2",
    "seed": "0",
    "steps": "4",
    "cfg": "1",
    "sampler": "euler",
    "scheduler": "sgm_uniform",
}
GET_ONLY = {
    "atlas", "atlas-zip", "board", "boards", "bulk-job", "bulk-zip", "compare", "control-picture", "control-reading",
    "dropped", "export-presets", "face", "finished", "finished-part", "gallery", "gallery-counts", "gallery-news",
    "gallery-page", "job", "job-card", "job-mask", "list", "list-drawn", "list-example", "list-results", "list-sheet",
    "lists", "live", "marks", "other-styles", "picture", "picture-download", "prompt-words", "prompts",
    "recipe-export", "recipes", "selection-all", "selection-bar", "selection-name", "studio", "takeover", "tile-acts",
    "translation", "trash", "trash-orders", "trash-others", "version-engines", "version-faces", "word-lists",
}  # fmt: skip
POST_ONLY = {
    "accelerator", "asked-from", "asked-picture", "atlas-cancel", "atlas-retry", "board-arrange", "board-delete",
    "board-put-back", "board-remove", "board-restore", "bulk-cancel", "bulk-on", "bulk-undo", "cancel",
    "cancel-waiting", "clear", "compose", "control", "delete-filter", "draft", "draft-clear", "draft-restore",
    "edit-compose", "engine-ask", "engine-pause", "engine-resume", "export-preset-delete", "export-preset-new",
    "face-ask", "fetch-again", "generate", "job-variations", "list-act", "list-cancel", "list-columns", "list-delete",
    "list-draw", "list-drawn-cancel", "list-order", "list-pause", "list-restore", "list-retry", "list-rows",
    "list-translate", "mark", "move-to-front", "picture-cover", "picture-delete", "picture-restore", "recipe-archive",
    "recipe-discard", "recipe-publish", "recipe-renew", "reference", "reference-from", "rename-filter", "retry",
    "retry-smaller", "safe-range", "save-filter", "save-preset", "seamless", "selection", "selection-gone",
    "start-from", "strength", "takeover-cancel", "takeover-on", "takeover-remove", "takeover-restore",
    "translation-cancel", "trash-cancel", "trash-delete", "trash-restore", "variations", "word-list-delete",
}  # fmt: skip
WITH_NUMBER = {
    "atlas", "atlas-cancel", "atlas-retry", "atlas-zip", "board", "board-arrange", "board-delete", "board-put-back",
    "board-remove", "board-restore", "bulk-cancel", "bulk-job", "bulk-on", "bulk-undo", "bulk-zip", "cancel",
    "delete-filter", "edit", "edit-compose", "fetch-again", "finished", "finished-part", "job", "job-card", "job-mask",
    "job-variations", "mark", "move-to-front", "picture", "picture-cover", "picture-delete", "picture-download",
    "picture-restore", "reference-from", "rename-filter", "retry", "retry-smaller", "seamless", "translation",
    "translation-cancel", "trash-cancel", "variations",
}  # fmt: skip
WITH_TAKEOVER = {"takeover", "takeover-cancel", "takeover-on", "takeover-remove", "takeover-restore"}  # for curators
WITH_LIST = {
    "list", "list-act", "list-cancel", "list-columns", "list-delete", "list-draw", "list-drawn", "list-drawn-cancel",
    "list-order", "list-pause", "list-restore", "list-results", "list-retry", "list-rows", "list-sheet",
    "list-translate", "word-list-delete",
}  # fmt: skip
WITH_OWN_RECIPE = {
    "accelerator", "recipe", "recipe-archive", "recipe-discard", "recipe-export", "recipe-publish", "recipe-renew",
}  # fmt: skip
WITH_EXPORT_PRESET = {"export-preset", "export-preset-delete"}
WITH_ENGINE = {"engine-ask", "engine-pause", "engine-resume"}
WITH_VERSION = {"safe-range", "strength", "version-faces"}
WITH_PURPOSE = {"face", "face-ask"}


def png(width: int = 40, height: int = 24) -> bytes:
    """A small picture."""
    stored = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(stored, "PNG")
    return stored.getvalue()


def upload(data: bytes | None = None, name: str = "start.png") -> SimpleUploadedFile:
    """A file as a browser sends it."""
    return SimpleUploadedFile(name, png() if data is None else data, "image/png")


def address(name: str, pk: int = 1) -> str:
    """The address of a view."""
    if name == "version-engines":
        return reverse("generation:version-engines", args=["ink", 1])
    if name == "bulk-zip":
        return reverse("generation:bulk-zip", args=[pk, 1])
    if name in WITH_PURPOSE:
        return reverse(f"generation:{name}", args=[pk, "sheet"])
    if name == "list-example":
        return reverse("generation:list-example", args=["en", "csv"])
    if name == "asked-picture":
        return reverse("generation:asked-picture", args=["own-blend", "own_image"])
    if name == "asked-from":
        return reverse("generation:asked-from", args=["own-blend", "own_image", pk])
    numbered = (
        WITH_LIST | WITH_NUMBER | WITH_TAKEOVER | WITH_OWN_RECIPE | WITH_EXPORT_PRESET | WITH_ENGINE | WITH_VERSION
    )
    return reverse(f"generation:{name}", args=[pk] if name in numbered else [])


def signed_in(user: User) -> Client:
    """A browser that would show a server error as an answer."""
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def place(user: User, **changes: Any) -> GenerationTask:
    """A waiting task."""
    asked: dict[str, Any] = {"prompt": "a fox", "count": 2, "seed": 5} | changes
    return orders.place(Order(**asked), user)


def adas_ticket() -> str:
    """What Ada's form calls the one reference that there is."""
    return references.ticket(Reference.objects.get().pk, User.objects.get(username="ada"))


def picture_of(task: GenerationTask, index: int = 0) -> GeneratedImage:
    """A stored picture."""
    engine, _new = Engine.objects.get_or_create(address="http://127.0.0.1:1")
    prompt = EnginePrompt.objects.create(
        task=task, index=index, engine=engine, worker="w", lease_until=timezone.now(), state="done"
    )
    picture = GeneratedImage(
        task=task, index=index, prompt=prompt, seed=task.seeds[index], width=40, height=24, size=1,
        sha256="0" * 64, engine=engine,
    )  # fmt: skip
    picture.file.save("x.png", ContentFile(png()))
    return picture


def as_posted(html: str, form: str = '<form class="compose"') -> dict[str, list[str]]:
    """What a browser would send for the form as it stands in a page, by how it begins."""
    html = tight(html)
    data: dict[str, list[str]] = {}

    def add(name: str, value: str) -> None:
        data.setdefault(name, []).append(value)

    found = re.search(re.escape(form) + r".*?</form>", html, re.DOTALL)
    assert found
    whole = found[0]
    outside = re.findall(r'<input[^>]*\sform="compose-form"[^>]*>', html)
    for tag in [*re.findall(r"<input[^>]*>", whole), *outside]:
        name, kind = re.search(r' name="([^"]+)"', tag), re.search(r' type="(\w+)"', tag)
        value = re.search(r' value="([^"]*)"', tag)
        chosen = " checked" in tag or (kind[1] if kind else "text") not in {"radio", "checkbox", "file"}
        if name and chosen and name[1] != "reference":
            add(name[1], value[1] if value else "")
    for name, text in re.findall(r'<textarea[^>]*\sname="([\w-]+)"[^>]*>(.*?)</textarea>', whole, re.DOTALL):
        add(name, text)
    for name, options in re.findall(r'<select[^>]*\sname="([\w-]+)"[^>]*>(.*?)</select>', whole, re.DOTALL):
        [(value, words)] = re.findall(r'<option(?: value="([^"]*)")? selected>(.*?)</option>', options)
        add(name, value or words)
    return data


def reference_of(user: User) -> Reference:
    """A stored picture to start from."""
    return references.add_reference(io.BytesIO(png()), user)
