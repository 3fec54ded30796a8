"""The chain of a finished icon on one page: from its sheet back to what its style has learned from."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from generation.atlases import atlas_jobs, ordering
from generation.changing import actions as changing
from generation.derivations import actions, presets
from generation.derivations.models import Derivation
from generation.engines.models import Engine
from generation.making import runner
from generation.ordering import orders
from generation.ordering.orders import Ingredient
from generation.pictures.models import GeneratedImage
from generation.selecting import bulk_jobs
from generation.selecting import orders as selecting
from generation.selecting.selection import Selection
from styles.models import StyleVersion
from tests.generation.changing.conftest import work
from tests.generation.conftest import engine as engine
from tests.generation.conftest import preview as preview
from tests.generation.editing.conftest import order, picture
from tests.pages import page, tight
from training.runs.models import TrainingJob

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quiet")]

SHEET = {
    "name": "icons", "template": "{name}", "engine": "hash", "most_side": 2048, "padding": 2, "border": 0,
    "milliseconds": 83, "trim": True, "power_of_two": False,
}  # fmt: skip


def test_every_step_of_a_finished_icon_is_a_link_on_one_page(
    done: TrainingJob, engine: Engine, ada: User, client: Client
) -> None:
    client.force_login(ada)
    checkpoint = done.checkpoints.latest("step")
    assert checkpoint
    client.post(f"/training/checkpoints/{checkpoint.pk}/use/")
    version = StyleVersion.objects.get(pk=checkpoint.version_id)
    first = picture(ada, mix=(Ingredient(version, 0.8),))
    edit = orders.place(order(first, ada), ada)
    runner.work()
    edited = GeneratedImage.objects.get(task=edit)
    selecting.place(ada, changing.CUT_OUT, Selection((edited.pk,)), {"change": "cut-out"})
    work()
    cut = Derivation.objects.get().picture
    icon = presets.find(ada, "icon")
    assert icon
    selecting.place(ada, actions.FINISH, Selection((cut.pk,)), {"name": "Icon", "plan": icon.plan})
    bulk_jobs.life.work()
    finished = Derivation.objects.get(source=cut).picture
    sheet = ordering.order(ada, Selection((finished.pk,)), SHEET)
    atlas_jobs.life.work()

    html = tight(page(client.get(finished.get_absolute_url())))
    chain = [
        sheet.get_absolute_url(), cut.get_absolute_url(), edited.get_absolute_url(), f"/jobs/{edit.pk}/mask/",
        first.get_absolute_url(), first.task.get_absolute_url(), version.style.get_absolute_url(),
        done.get_absolute_url(), done.snapshot.get_absolute_url(),
    ]  # fmt: skip
    story = html[html.index('id="sheets-h"') :]
    places = [story.find(f'href="{address}"') for address in chain]
    assert -1 not in places, dict(zip(chain, places, strict=True))
    assert places == sorted(places)
