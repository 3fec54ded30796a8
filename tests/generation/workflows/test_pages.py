"""The pages on which curators make recipes of workflows, and what members get of it."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from generation.engines.models import Engine
from generation.making import runner
from generation.pictures.models import EnginePrompt, GenerationTask
from generation.recipes import registry
from generation.recipes.models import OwnVersion
from stylestudio.jobs.kinds import Status
from tests.generation.browsing import HTMX, VALID, as_posted
from tests.generation.workflows.graphs import as_file, fourteen
from tests.pages import page

pytestmark = pytest.mark.django_db

ADD = reverse("generation:recipe-add")


@pytest.fixture
def curator(ada: User, her: Client) -> Client:
    """Ada's browser; she is a curator."""
    ada.is_staff = True
    ada.save()
    return her


def add(browser: Client, data: bytes | None = None, name: str = "portrait_api.json") -> OwnVersion:
    """The draft of a workflow."""
    file = SimpleUploadedFile(name, as_file(fourteen()) if data is None else data, "application/json")
    answer = browser.post(ADD, {"workflow": file})
    assert answer.status_code == 302, page(answer)
    return OwnVersion.objects.latest("pk")


def posted(browser: Client, version: OwnVersion, **changes: Any) -> Any:
    """Send the form of a draft as it stands, but for some changes."""
    html = page(browser.get(version.get_absolute_url()))
    sent = as_posted(
        html, f'<form class="stack l" method="post" enctype="multipart/form-data" action="{version.get_absolute_url()}"'
    )
    data = {name: unescape(values[-1]) for name, values in sent.items()} | changes
    return browser.post(version.get_absolute_url(), data)


def test_a_workflow_becomes_a_form_that_makes_pictures(engine: Engine, curator: Client, ada: User) -> None:
    version = add(curator)
    answer = posted(curator, version, title_en="Portrait", title_zh="肖像", then="publish")
    assert answer.status_code == 302, page(answer)
    version.refresh_from_db()
    assert version.state == "published"
    recipe = registry.current()["own-portrait"]
    assert recipe.fields.keys() == {"negative", "steps", "cfg", "sampler", "scheduler"}
    form = {
        **VALID,
        "recipe": "own-portrait",
        "fields_of": "own-portrait",
        "shape": "custom",
        "width": "64",
        "height": "64",
    }
    assert (
        curator.post(
            reverse("generation:generate"), {**form, "negative": "fog", "count": "1"}, headers=HTMX
        ).status_code
        == 200
    )
    runner.work()
    task = GenerationTask.objects.get()
    assert (task.status, task.recipe_title) == (Status.COMPLETED, "Portrait, version 1"), task.error
    graph = EnginePrompt.objects.get().graph
    assert graph["6"]["inputs"]["text"] == "a red house" and graph["3"]["inputs"]["seed"] == 0
    assert graph["5"]["inputs"]["batch_size"] == 1 and "12" not in graph
