"""What graphs and snapshots have in common is stored once, and each comes back to the byte."""

from __future__ import annotations

import io
import json
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.utils import timezone

from generation.engines.models import Engine
from generation.ordering import orders, references
from generation.ordering.orders import Ingredient, Order
from generation.pictures import graphs, snapshots
from generation.pictures.models import EnginePrompt, GenerationTask, Pattern, patterns
from generation.pictures.upkeep import sharing
from styles.models import Style
from stylestudio.jobs.kinds import Status
from tests.generation.browsing import picture_of, place, png

pytestmark = pytest.mark.django_db


def prompt_of(task: GenerationTask, index: int = 0, nodes: Any = None, attempt: int = 1) -> EnginePrompt:
    """An ended attempt whose graph is that of the task, or another one."""
    engine, _new = Engine.objects.get_or_create(address="http://127.0.0.1:1")
    prompt_id = uuid.uuid4()
    prompt = EnginePrompt(
        task=task, index=index, attempt=attempt, prompt_id=prompt_id, engine=engine, worker="w",
        lease_until=timezone.now(), state=EnginePrompt.State.DONE, ended_at=timezone.now(),
    )  # fmt: skip
    prompt.graph = graphs.build(task, index, prompt_id) if nodes is None else nodes
    prompt.save()
    return prompt


def again(prompt: EnginePrompt) -> Any:
    """The graph as it is stored, to the byte."""
    return json.dumps(EnginePrompt.objects.get(pk=prompt.pk).graph)


def spelled(value: Any) -> Any:
    """A graph as it is adapted to an engine on Windows."""
    return json.loads(json.dumps(value).replace("SDXL/", "SDXL\\\\"))


def test_a_graph_of_values_that_are_known_keeps_none_of_its_own(ada: User, ink: Style) -> None:
    version = ink.versions.get()
    reference = references.add_reference(io.BytesIO(png()), ada)
    mix = (Ingredient(version, 0.8),)
    plain = place(ada, own_files={"checkpoint": "SDXL/a.safetensors"}, negative="fog", mix=mix)
    other = place(
        ada, prompt="a wolf", seed=99, own_files={"checkpoint": "SDXL/b.safetensors"}, mix=mix, width=832, height=1216
    )
    drawn = place(ada, reference=reference, denoise=0.5)
    for task in (plain, other, drawn):
        for index in range(2):
            nodes = graphs.build(task, index, uuid.uuid4())
            prompt = prompt_of(task, index)
            prompt.refresh_from_db()
            assert nodes.keys() == prompt.graph.keys()
            assert [value for value in prompt.own_values or () if value not in (1, 1.0)] == []
    keys = EnginePrompt.objects.values_list("pattern", flat=True)
    assert len(set(keys)) == 2  # text to image and image to image


def test_a_graph_adapted_to_an_engine_comes_back_as_it_was(ada: User, ink: Style) -> None:
    task = place(ada, own_files={"checkpoint": "SDXL/a.safetensors"}, mix=(Ingredient(ink.versions.get(), 0.8),))
    nodes = spelled(graphs.build(task, 0, uuid.uuid4()))
    prompt = prompt_of(task, nodes=nodes)
    assert again(prompt) == json.dumps(nodes)
    assert not any("SDXL" in str(value) for value in prompt.own_values or ())


@pytest.mark.parametrize(
    "nodes", [{}, {"1": {"inputs": {"x": [1, 2], "y": None, "z": True}}}, {"1": {"inputs": 3}}, []]
)
def test_a_graph_of_any_other_shape_comes_back_as_it_was(ada: User, nodes: Any) -> None:
    assert again(prompt_of(place(ada), nodes=nodes)) == json.dumps(nodes)


def test_equal_orders_share_all_but_what_is_their_own(ada: User) -> None:
    first, other = place(ada, prompt="a fox in the snow"), place(ada, prompt="two wolves in the rain", seed=9, steps=8)
    assert first.pattern_id == other.pattern_id
    seen = GenerationTask.objects.get(pk=other.pk)
    assert json.dumps(seen.snapshot) == json.dumps(other.snapshot)
    assert snapshots.digest(seen.snapshot) == seen.snapshot_sha256
    assert str(seen.own_values).count("two wolves in the rain") == 1  # it is the final prompt as well


def test_a_snapshot_stays_what_it_was_when_columns_change(ada: User) -> None:
    task = place(ada)
    GenerationTask.objects.filter(pk=task.pk).update(prompt="x", final_prompt="x", seeds=[1, 1], steps=9)
    assert snapshots.digest(GenerationTask.objects.get(pk=task.pk).snapshot) == task.snapshot_sha256


def test_what_is_missing_is_said(ada: User) -> None:
    task, prompt = place(ada), prompt_of(place(ada))
    GenerationTask.objects.filter(pk=task.pk).update(own_values=[])
    with pytest.raises(ValueError, match="lacks a value"):
        _ = GenerationTask.objects.get(pk=task.pk).snapshot
    with transaction.atomic():
        gone = EnginePrompt(pk=prompt.pk, task=prompt.task, index=0, prompt_id=prompt.prompt_id, pattern_id=12)
        with pytest.raises(ValueError, match="pattern 12"):
            _ = gone.graph


def whole(*rows: EnginePrompt | GenerationTask) -> None:
    """Store these as a release from before there were patterns did."""
    for row in rows:
        document = row.graph if isinstance(row, EnginePrompt) else row.snapshot
        type(row)._base_manager.filter(pk=row.pk).update(pattern=None, own_values=document)
    used = {pk for model in (EnginePrompt, GenerationTask) for pk in model.objects.values_list("pattern", flat=True)}
    Pattern.objects.exclude(pk__in=used - {None}).delete()


def ended(user: User, **changes: Any) -> GenerationTask:
    """A task that has ended."""
    task = place(user, **changes)
    GenerationTask.objects.filter(pk=task.pk).update(status=Status.COMPLETED, ended_at=timezone.now())
    return GenerationTask.objects.get(pk=task.pk)


def test_rows_from_before_are_rewritten_oldest_first_to_the_byte(ada: User) -> None:
    tasks = [ended(ada, prompt=f"fox number {each} in the snow", seed=each) for each in range(3)]
    prompts = [prompt_of(task, index) for task in tasks for index in range(2)]
    odd = prompt_of(tasks[0], 1, {"1": {"class_type": "Other", "inputs": {"text": "hello", "n": 1.0}}}, attempt=2)
    before = {row: json.dumps(row.graph) for row in (*prompts, odd)}
    frozen = {task: json.dumps(task.snapshot) for task in tasks}
    whole(*prompts, odd, *tasks)
    assert not Pattern.objects.exists() and sharing.percent_done() == 0
    assert sharing._share_batch(4)
    assert [row.pattern_id is None for row in EnginePrompt.objects.order_by("pk")] == [False] * 4 + [True] * 3
    assert 0 < sharing.percent_done() < 100
    assert not sharing.share_slice(30)
    assert sharing.is_done() and sharing.percent_done() == 100
    assert all(again(row) == text for row, text in before.items())
    assert all(json.dumps(GenerationTask.objects.get(pk=task.pk).snapshot) == text for task, text in frozen.items())
    assert not EnginePrompt.objects.filter(pattern=None).exists()
    assert Pattern.objects.count() == 3


def test_rows_still_in_work_are_left_to_those_who_work_on_them(ada: User) -> None:
    task = place(ada)
    prompt = prompt_of(task)
    EnginePrompt.objects.filter(pk=prompt.pk).update(state=EnginePrompt.State.POSTED, ended_at=None)
    whole(prompt, task)
    assert sharing.is_done() and not sharing.share_slice(30)
    assert EnginePrompt.objects.get(pk=prompt.pk).pattern_id is None


def test_a_slice_of_rewriting_that_fails_leaves_everything_as_it_was(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = prompt_of(ended(ada))
    text = again(prompt)
    whole(prompt)

    def fail(*_values: Any) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(patterns, "_text", fail)
        with pytest.raises(RuntimeError):
            sharing.share_slice(30)
    assert EnginePrompt.objects.get(pk=prompt.pk).pattern_id is None
    assert not sharing.share_slice(30)
    assert again(prompt) == text


def test_operators_are_told_how_far_the_rewriting_is(client: Client, ada: User) -> None:
    prompts = [picture_of(ended(ada, seed=each)).prompt for each in range(2)]
    nodes = {"1": {"class_type": "A", "inputs": {"text": "x"}}}
    assert list(sharing.look_at_sharing()) == [] and "shared" not in client.get("/health").json()
    for prompt in prompts:
        EnginePrompt.objects.filter(pk=prompt.pk).update(own_values=nodes, ended_at=timezone.now())
    EnginePrompt.objects.filter(pk=prompts[0].pk).update(own_values=None)
    (finding,) = sharing.look_at_sharing()
    assert finding.well and "% of the graphs" in finding.state
    assert 0 < client.get("/health").json()["shared"] < 100


def test_the_admin_shows_documents_whole(ada: User, curator: User, client: Client) -> None:
    task = place(ada, prompt="a fox in the snow")
    prompt = prompt_of(task)
    client.force_login(curator)
    assert "CheckpointLoaderSimple" in client.get(f"/admin/pictures/engineprompt/{prompt.pk}/change/").text
    assert "sgm_uniform" in client.get(f"/admin/pictures/generationtask/{task.pk}/change/").text


def test_an_order_built_by_field_names_of_before_is_stored_alike(ada: User) -> None:
    made: Any = GenerationTask
    task = made.objects.create(
        owner=ada, prompt="x", final_prompt="x", width=64, height=64, seeds=[1], checkpoint="c", lightning="l",
        snapshot={"prompt": "x"},
    )  # fmt: skip
    assert task.pattern_id and GenerationTask.objects.get(pk=task.pk).snapshot == {"prompt": "x"}


def test_the_same_press_makes_the_same_pattern_in_another_database(ada: User) -> None:
    task = orders.place(Order(prompt="a fox"), ada)
    key = task.pattern_id
    task.delete()
    Pattern.objects.all().delete()
    assert orders.place(Order(prompt="a wolf"), ada).pattern_id == key
