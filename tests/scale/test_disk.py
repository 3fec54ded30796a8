"""On PostgreSQL too graphs from before there were patterns come back as they were, and space is given back."""

from __future__ import annotations

import pytest

from tests.scale.servers import House

pytestmark = pytest.mark.servers

FILL = """
import json, uuid
from django.contrib.auth.models import User
from django.utils import timezone
from generation.engines.models import Engine
from generation.ordering import orders
from generation.ordering.orders import Order
from generation.pictures import graphs
from generation.pictures.models import EnginePrompt, GenerationTask, Pattern
from generation.pictures.upkeep import sharing
ada, now = User.objects.get(), timezone.now()
engine = Engine.objects.create(address="http://127.0.0.1:1", source="admin")
for seed in range(30):
    task = orders.place(Order(prompt=f"a fox number {seed}", seed=seed), ada)
    ids = uuid.uuid4()
    prompt = EnginePrompt(task=task, index=0, prompt_id=ids, engine=engine, worker="w", lease_until=now, state="done")
    prompt.ended_at, prompt.graph = now, graphs.build(task, 0, ids)
    prompt.save()
def told():
    rows = EnginePrompt.objects.select_related("task").order_by("pk")
    return [(json.dumps(row.graph), json.dumps(row.task.snapshot)) for row in rows]
for row in EnginePrompt.objects.all():
    EnginePrompt.objects.filter(pk=row.pk).update(pattern=None, own_values=row.graph)
for row in GenerationTask.objects.all():
    GenerationTask.objects.filter(pk=row.pk).update(
        pattern=None, own_values=row.snapshot, status="completed", ended_at=now
    )
Pattern.objects.all().delete()
before = told()
assert sharing.percent_done() == 0
while sharing.share_slice(5):
    pass
assert sharing.is_done() and told() == before
print("patterns", Pattern.objects.count())
"""


def test_graphs_are_rewritten_as_they_were_and_the_database_can_be_shrunk(house: House) -> None:
    assert "patterns 2" in house.manage("shell", "-c", FILL)
    with pytest.raises(AssertionError, match="Look there, then run this again with --yes"):
        house.manage("shrink_database")
    assert "now." in house.manage("shrink_database", "--yes")
    assert house.ask("SELECT count(*) FROM pictures_engineprompt WHERE pattern_id IS NOT NULL") == "30"
