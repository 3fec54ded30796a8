"""What is told of trainings elsewhere: in the list, on the page of their style, and in the form of the next one."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from styles.models import StyleVersion
from tests.pages import tight
from tests.training.runs.test_training_pages import HTMX, as_, form
from tests.training.scripted import ask
from training.datasets.models import Dataset
from training.runs import parameters
from training.runs.models import TrainingJob
from training.runs.running import runner

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quiet")]


def test_choosing_another_dataset_proposes_its_style_and_keeps_what_was_typed(
    done: TrainingJob, filled: Dataset, ada: User
) -> None:
    other = Dataset.objects.create(owner=ada, name="Bridges", trigger_words="brdg")
    client = as_(ada)
    asked = form(other) | {"shown": f"quick comfyui {other.pk}", "style": "new", "style_name": "Bridges"}
    same = client.post("/training/plan/", asked, headers=HTMX).content.decode()
    assert 'id="new-style"' not in same
    asked |= {"dataset": filled.pk, "trigger_words": "my own"}
    moved = tight(client.post("/training/plan/", asked, headers=HTMX).content.decode())
    assert re.search(rf'<option value="{done.style.slug}" selected', moved)
    assert 'value="my own"' in moved and 'hx-swap-oob="true"' in moved


def test_the_list_tells_of_each_training_its_lowest_loss_and_what_it_became(done: TrainingJob, ada: User) -> None:
    client = as_(ada)
    before = tight(client.get("/training/").content.decode())
    assert "Lowest loss 0.063 at step 8" in before and ">Done<" in before and "Became" not in before
    checkpoint = done.checkpoints.last()
    assert checkpoint
    client.post(f"/training/checkpoints/{checkpoint.pk}/use/")
    after = tight(client.get("/training/").content.decode())
    assert f'<a class="link" href="{done.style.get_absolute_url()}">Became Gouache v1<' in after


def test_the_list_asks_as_often_for_many_trainings_as_for_one(done: TrainingJob, ada: User) -> None:
    client = as_(ada)
    client.get("/training/")
    with CaptureQueriesContext(connection) as one:
        client.get("/training/")
    for _time in range(3):
        runner.stop(ask(done.snapshot.dataset, ada), TrainingJob.Stop.KEEP)
    with CaptureQueriesContext(connection) as many:
        page = client.get("/training/").content.decode()
    assert page.count("run-card") == 4
    assert len(many) == len(one) <= 15


def test_the_page_of_a_style_says_how_it_was_trained_in_the_words_of_the_form(done: TrainingJob, ada: User) -> None:
    checkpoint = done.checkpoints.last()
    assert checkpoint
    as_(ada).post(f"/training/checkpoints/{checkpoint.pk}/use/")
    StyleVersion.objects.filter(pk=checkpoint.version_id).update(
        training=[["learning_rate", "0.0004"], ["gradient_checkpointing", "True"], ["preset", "quick"], ["odd", "1"]]
    )
    page = tight(as_(ada).get(done.style.get_absolute_url()).content.decode())
    label = parameters.setting("gradient_checkpointing").label
    assert f'<dt>{label}</dt><dd class="break">yes</dd>' in page
    assert '<dt>Learning rate</dt><dd class="break">0.0004</dd>' in page
    assert '<dt>Preset</dt><dd class="break">Quick look</dd>' in page
    assert '<dt>odd</dt><dd class="break">1</dd>' in page  # of a trainer that nobody knows
