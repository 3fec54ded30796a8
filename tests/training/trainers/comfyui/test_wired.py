"""Training on node classes that change from version to version: wired by type, or refused in words before it starts."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from pytest_django import Settings

from generation.engines import diagnostics, node_facts, roster
from generation.engines.models import Engine
from stylestudio.comfy.errors import GraphInvalid
from stylestudio.comfy.graphs import wiring
from stylestudio.comfy.lack import Lack
from stylestudio.jobs.kinds import Status
from stylestudio.preview_engine.nodes import training as training_nodes
from stylestudio.preview_engine.nodes.node_class import NodeClass
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import Hold, HoldAnswer
from tests.comfy.graphs.mutations import changed
from tests.comfy.graphs.strict import complaints, recorded_infos
from tests.pages import tight
from tests.training.trainers.comfyui.conftest import Ask
from tests.training.trainers.comfyui.test_trainer import at_work, checkpoints, said, trained
from training.datasets.models import Dataset
from training.runs import parameters
from training.trainers.comfyui import diagnostics as trainings
from training.trainers.comfyui import graph
from training.trainers.comfyui.obstacles import obstacle
from training.trainers.comfyui.trainer import ComfyTrainer

INFOS = recorded_infos()
CLASSES = graph.workflow(graph.NEW).classes - {"SaveLoRANode"} | {"SaveLoRA"}
VALUES: dict[str, object] = {
    "checkpoint": "sd_xl_base_1.0.safetensors",
    "folder": "train/a",
    "steps": 5,
    "seed": 3,
    "existing_lora": "ink.safetensors",
    "prefix": "loras/stylestudio_training1_abc",
    **graph.chosen({**parameters.preset_values("quick", "comfyui"), "learning_rate": 3e-4, "rank": 17}),
}
# Those that come to the training node's own inputs, with nothing that an engine's default could stand for.
TELLING = {"17", "0.0003", "5", "'train/a'", "'ink.safetensors'", "'loras/stylestudio_training1_abc'"}


def wired(infos: dict[str, Any], **values: object) -> dict[str, Any]:
    """The graph of a segment as an engine with these node classes gets it."""
    filled = graph._saved_by(graph._filled(graph.NEW, {**VALUES, **values}), "SaveLoRA")
    return wiring.adapt(filled, infos, strict=True)


def test_the_newest_engine_gets_its_outputs_by_type_and_checkpointing_that_saves_memory() -> None:
    ready = wired(INFOS)
    assert complaints(ready, INFOS) == []
    assert ready[graph.LORA]["inputs"]["lora"] == [graph.TRAINING, 0]
    assert ready[graph.LORA]["inputs"]["steps"] == [graph.TRAINING, 2]
    assert ready[graph.LOSS]["inputs"]["source"] == [graph.TRAINING, 1]
    training = ready[graph.TRAINING]["inputs"]
    assert training["checkpoint_depth"] == 2, "1 patches one module and saves next to nothing"
    assert (training["offloading"], training["bypass_mode"], training["quantized_backward"]) == (False, False, False)
    assert training["existing_lora"] == "ink.safetensors"


@limits(max_examples=40)
@given(data=st.data())
def test_a_training_survives_a_change_of_the_nodes_or_says_what_is_missing(data: st.DataObject) -> None:
    survives(data)


@pytest.mark.heavy
@limits(max_examples=4000, deadline=None)
@given(data=st.data())
def test_many_changes_of_the_nodes_are_survived_or_told(data: st.DataObject) -> None:
    survives(data)
    known_beforehand(data)


def survives(data: st.DataObject) -> None:
    """After a change of the nodes the graph runs and means the same, or what is missing is named."""
    done, infos = data.draw(changed(INFOS, CLASSES))
    try:
        ready = wired(infos)
    except GraphInvalid as error:
        assert error.lack and error.lack.node in str(error), done
        return
    # Whether a file is there the engine alone says, and refuses the whole graph if not.
    assert [each for each in complaints(ready, infos) if "existing_lora does not know" not in each] == [], done
    assert _fed(ready) == _fed(wired(INFOS)), f"{done}: nothing is left out in silence"


def _fed(ready: dict[str, Any]) -> list[tuple[list[str], list[str]]]:
    return [
        (
            sorted(link.node for value in node["inputs"].values() if (link := wiring.link(value))),
            sorted(repr(value) for value in node["inputs"].values() if repr(value) in TELLING),
        )
        for node in ready.values()
    ]


@limits(max_examples=40)
@given(data=st.data())
def test_what_an_engine_lacks_is_known_from_what_is_kept_of_it(data: st.DataObject) -> None:
    known_beforehand(data)


def known_beforehand(data: st.DataObject) -> None:
    """What keeps a graph from being wired is told by what is kept of the engine's nodes as well."""
    done, infos = data.draw(changed(INFOS, CLASSES))
    kept = node_facts.of(infos, {})
    lack = graph.lack(kept.infos, kept.classes, parameters.preset_values("quick", "comfyui"))
    found: Lack | None = None
    try:
        wired(infos)
    except GraphInvalid as error:
        found = error.lack
    assert _what(lack) == _what(found), done


def _what(lack: Lack | None) -> tuple[str, ...] | None:
    return (lack.kind, lack.class_type, lack.name, *lack.has) if lack else None


@pytest.mark.parametrize("config", [{}, {"offloading": True}, {"training_dtype": "none", "bypass_mode": True}])
def test_the_precision_of_the_steps_is_that_of_the_file_unless_it_is_chosen(config: dict[str, Any]) -> None:
    chosen = {**parameters.preset_values("quick", "comfyui"), "dtype": "fp32", **config}
    training = wired(INFOS, **graph.chosen(parameters.clean("comfyui", chosen)))[graph.TRAINING]["inputs"]
    assert training["lora_dtype"] == "fp32"
    assert training["training_dtype"] == config.get("training_dtype", "fp32")
    assert training["offloading"] == config.get("offloading", False)
    assert training["bypass_mode"] == config.get("bypass_mode", False)


def test_a_script_that_does_not_name_the_newer_settings_gets_what_it_got_before() -> None:
    values = parameters.preset_values("quick", "comfyui")
    for name in ("training_dtype", "offloading", "bypass_mode"):
        del values[name]
    cleaned = parameters.clean("comfyui", values)
    assert (cleaned["training_dtype"], cleaned["offloading"], cleaned["bypass_mode"]) == ("same", False, False)


# On an engine.


def newest(known: NodeClass) -> NodeClass:
    """The training node as ComfyUI has it since 0.11.0: no model comes out, and more can be set."""

    def run(stage: Any, inputs: dict[str, Any]) -> tuple[Any, ...]:
        _model, *rest = known.run(stage, inputs)
        return tuple(rest)

    more = {
        "quantized_backward": ["BOOLEAN", {"default": False}],
        "checkpoint_depth": ["INT", {"default": 1, "min": 1, "max": 5}],
        "offloading": ["BOOLEAN", {"default": False}],
        "bypass_mode": ["BOOLEAN", {"default": False}],
    }
    return replace(
        known,
        inputs=lambda files: {**known.inputs(files), **more},
        outputs=known.outputs[1:],
        output_names=known.output_names[1:],
        run=run,
    )


def without_steps(known: NodeClass) -> NodeClass:
    """A training node that does not tell how far it came."""
    return replace(known, outputs=known.outputs[:3], output_names=known.output_names[:3])


WithNodes = Callable[..., Engine]


@pytest.fixture
def with_nodes(new_engine: PreviewThread, monkeypatch: pytest.MonkeyPatch) -> Iterator[WithNodes]:
    """An engine whose training node was changed: with_nodes(newest)."""
    server = new_engine.engine

    def change(*changes: Any) -> Engine:
        nodes = dict(server._nodes)
        for each in changes:
            nodes["TrainLoraNode"] = each(training_nodes.TRAIN)
        monkeypatch.setattr(server, "_nodes", nodes)
        monkeypatch.setattr(server._worker, "nodes", nodes)
        row = Engine.objects.create(address=new_engine.url, source=Engine.Source.ADMIN)
        assert roster.probe(row)
        return row

    new_engine.troubles.clear()
    new_engine.engine.requests.clear()
    yield change
    new_engine.troubles.clear()


@pytest.mark.django_db
def test_a_training_in_segments_runs_to_its_end_on_the_newest_nodes(with_nodes: WithNodes, ask: Ask) -> None:
    with_nodes(newest)
    job = trained(ask(steps=6, segments=3, offloading=True))
    assert job.status == Status.COMPLETED, said(job)
    assert [each.step for each in checkpoints(job)] == [2, 4, 6]
    assert job.losses.exists()


@pytest.mark.django_db
def test_nodes_that_cannot_be_wired_are_told_by_page_command_and_doctor_before_anything_is_sent(
    with_nodes: WithNodes,
    ask: Ask,
    new_engine: PreviewThread,
    settings: Settings,
    dataset: Dataset,
    ada: User,
    client: Client,
) -> None:
    engine = with_nodes(without_steps)
    lack = "TrainLoraNode (“Training”) has no output steps (INT), which SaveLoRA (“LoRA”) takes as steps"
    assert lack in obstacle(engine)
    assert ComfyTrainer().able() == []
    settings.COMFYUI_URLS = [new_engine.url]
    findings = [each for each in diagnostics.look_at_engines() if each.name == "Training nodes"]
    assert findings and all(not each.well and lack in each.state for each in findings)
    job = ask()
    User.objects.update(is_superuser=True)
    client.force_login(ada)
    page = client.get(reverse("training:new-run"), {"dataset": dataset.pk}).content.decode()
    assert lack in page.replace("&quot;", '"')
    errors = io.StringIO()
    call_command("train", "--dataset", dataset.slug, "--style", "Ink", "--steps", "4", stderr=errors)
    assert lack in errors.getvalue()
    assert trained(job).status == Status.QUEUED, "it waits for an engine that can"
    assert "POST /prompt" not in new_engine.engine.requests


@pytest.mark.django_db
@pytest.mark.parametrize("gone", ["PreviewAny", "MakeTrainingDataset", "SaveLoRA"])
def test_one_training_node_that_is_gone_is_named_and_not_taken_for_all_of_them(
    with_nodes: WithNodes, gone: str
) -> None:
    engine = with_nodes(newest)
    engine.node_classes = [name for name in engine.node_classes if name != gone]
    told = obstacle(engine)
    assert gone in told and "has no training nodes" not in told
    (finding,) = trainings.look("0.44.0", node_facts.NodeFacts(frozenset(engine.node_classes), engine.node_infos), {})
    assert gone in finding.state and not finding.well


@pytest.mark.django_db
def test_an_engine_that_was_changed_meanwhile_ends_the_training_with_what_it_lacks(
    with_nodes: WithNodes, ask: Ask
) -> None:
    engine = with_nodes(without_steps)
    Engine.objects.filter(pk=engine.pk).update(node_infos={})  # as before anything was kept
    job = trained(ask())
    assert (job.status, job.error_kind) == (Status.FAILED, "refused")
    assert "has no output steps (INT)" in job.explanation
    assert not job.state.get("prompt")


@pytest.mark.django_db
def test_switches_that_no_engine_has_are_hidden_and_refused_in_words(
    earlier: Engine, ask: Ask, dataset: Dataset, ada: User, client: Client
) -> None:
    job = ask(offloading=True)
    client.force_login(ada)
    page = client.get(reverse("training:new-run")).content.decode()
    assert 'name="set-training_dtype"' in page
    assert 'name="set-offloading"' not in page and 'name="set-bypass_mode"' not in page
    [sentence] = ComfyTrainer().obstacles({**job.config, "base": job.base})
    assert "has no “Keep the model in main memory”. Turn it off, or update ComfyUI there." in sentence
    assert trained(job).status == Status.QUEUED
    Engine.objects.update(node_infos={**earlier.node_infos, "TrainLoraNode": INFOS["TrainLoraNode"]})
    page = client.get(reverse("training:new-run")).content.decode()
    assert 'name="set-offloading"' in page and 'name="set-bypass_mode"' in page
    assert ComfyTrainer().obstacles({**job.config, "base": job.base}) == []


@pytest.mark.django_db
def test_an_engine_that_does_not_have_what_was_switched_on_is_not_trained_on(earlier: Engine, ask: Ask) -> None:
    Engine.objects.update(node_infos={})
    job = trained(ask(bypass_mode=True))
    assert (job.status, job.error_kind) == (Status.FAILED, "refused")
    assert "has no input bypass_mode" in job.explanation


@pytest.mark.django_db(transaction=True)
def test_a_part_that_the_engine_accepted_and_runs_is_ended_and_nothing_of_it_is_kept(
    engine: Engine, ask: Ask, new_engine: PreviewThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_it_was = graph.adapted

    async def broken(*told: Any) -> Any:
        ready = await as_it_was(*told)
        del ready[graph.LORA]["inputs"]["prefix"]  # as if the engine had changed since it was asked
        return ready

    monkeypatch.setattr(graph, "adapted", broken)
    runs = new_engine.troubles.add(Hold(after_step=1))
    answer = new_engine.troubles.add(HoldAnswer())
    job = ask()

    def released() -> None:
        runs.wait_reached()  # it trains before the answer is there
        answer.release()

    with at_work(until=released):
        pass
    job.refresh_from_db()
    assert (job.status, job.error_kind) == (Status.FAILED, "refused")
    assert "SaveLoRA (“LoRA”), prefix" in job.explanation
    assert runs.struck == 1
    assert checkpoints(job) == [] and not job.losses.exists()
    client = roster.pool.client(engine)
    queue = roster.pool.loop.call(client.queue())
    assert queue.running == queue.pending == ()


@pytest.mark.django_db
def test_doctor_says_which_settings_an_engine_does_not_have(earlier_engine: PreviewThread, settings: Settings) -> None:
    earlier_engine.troubles.clear()
    settings.COMFYUI_URLS = [earlier_engine.url]
    [finding] = [each for each in diagnostics.look_at_engines() if each.name == "Training nodes"]
    assert finding.well
    assert finding.state == "present, without “Keep the model in main memory”, “Leave the model's weights alone”"


@pytest.mark.django_db
def test_a_wrong_choice_is_refused_by_the_command(dataset: Dataset) -> None:
    User.objects.update(is_superuser=True)
    with pytest.raises(CommandError, match="training_dtype"):
        call_command("train", "--dataset", dataset.slug, "--style", "Ink", "--set", "training_dtype=fp64")


@pytest.mark.django_db
def test_the_page_of_a_run_tells_its_switches_as_yes_and_no(ask: Ask, ada: User, client: Client) -> None:
    job = ask(bypass_mode=True)
    client.force_login(ada)
    page = tight(client.get(reverse("training:run-config", args=[job.pk])).content.decode())
    rows = dict(re.findall(r'<tr[^>]*><th scope="row"[^>]*>(.*?)</th><td[^>]*>(.*?)</td>', page))
    assert (rows["Leave the model&#x27;s weights alone"], rows["Keep the model in main memory"]) == ("yes", "no")
    assert rows["Precision of the steps"] == "same"
