"""What the engine refused is said at its field of the form, or on the card."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from generation.engines.models import Engine
from generation.pictures.models import EnginePrompt, GenerationTask
from tests.generation.browsing import HTMX, address, as_posted, place
from tests.pages import page

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "field", ["prompt", "negative", "shape", "count", "seed", "steps", "cfg", "denoise", "style", "reference"]
)
def test_what_the_engine_refused_is_said_at_its_field(her: Client, ada: User, field: str) -> None:
    task = place(ada)
    task.fail("invalid", "Value <50> is too big.", error_field=field)
    assert f"?task={task.pk}" in her.get(address("job", task.pk)).content.decode()
    html = her.get("/", {"task": task.pk}).content.decode()
    [error] = re.findall(rf'<(?:span|p) class="error" id="{field}-error".*?</(?:span|p)>', html, re.DOTALL)
    assert "Value &lt;50&gt; is too big." in error
    assert re.search(rf'<a class="link" href="#{field}">Value &lt;50&gt; is too big.</a>', html)
    if field != "style":  # the mix is no control
        [control] = re.findall(rf'<[^>]*\saria-describedby="[^"]*\b{field}-error"[^>]*>', html)
        assert 'aria-invalid="true"' in control


def test_a_form_that_was_explained_may_be_sent_as_it_is(her: Client, ada: User) -> None:
    task = place(ada, count=4, width=1024, height=1024)
    task.fail("invalid", "Too big.", error_field="steps")
    html = her.get("/", {"task": task.pk}).content.decode()
    assert her.post(address("generate"), as_posted(html), headers=HTMX).status_code == 200
    assert GenerationTask.objects.latest("pk").snapshot == task.snapshot


@pytest.mark.parametrize("field", ["", "nonsense"])
def test_an_explanation_without_a_field_is_on_the_card_alone(her: Client, ada: User, field: str) -> None:
    task = place(ada)
    task.fail("invalid", "No such node.", "the operator's own detail", error_field=field)
    card = her.get(address("job-card", task.pk)).content.decode()
    assert "No such node." in card.partition("<details")[0] and "operator&#x27;s own" in card.partition("<details")[2]
    html = her.get("/", {"task": task.pk}).content.decode()
    assert 'aria-invalid="true"' not in html and "No such node." not in html.partition('id="live"')[0]


def test_a_missing_file_is_named_with_the_engine_that_lacks_it(her: Client, ada: User) -> None:
    task = place(ada)
    box = Engine.objects.create(address="http://10.0.0.1:1", name="Big <box>")
    for index, state in ((1, "cancelled"), (0, "failed")):
        EnginePrompt.objects.create(
            task=task, index=index, engine=box, worker="w", lease_until=timezone.now(), state=state,
            ended_at=timezone.now(),
        )  # fmt: skip
    task.fail("missing_file", "The engine does not have the LoRA ink.safetensors.", error_field="style")
    html = page(her.get(address("job-card", task.pk)))
    assert "Big &lt;box&gt;: The engine does not have the LoRA ink.safetensors." in html
