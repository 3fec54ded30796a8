"""What is kept of an engine's node classes: enough to say what it lacks, without asking it again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from generation.engines import diagnostics, node_facts, roster
from generation.engines.models import Engine
from generation.making.claim import claim
from generation.ordering import availability, order_page, orders
from generation.ordering.orders import Order
from generation.pictures import graphs
from generation.recipes import registry
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import Answer
from tests.comfy.graphs.strict import recorded_infos

INFOS = recorded_infos()


def test_of_the_newest_engine_everything_is_kept_that_our_graphs_need_and_no_list_of_files() -> None:
    kept = node_facts.of({**INFOS, "Other": {}}, {})
    assert "Other" in kept.classes and "Other" not in kept.infos
    assert graphs.every_class() <= kept.infos.keys()
    assert graphs.lack(kept.infos, registry.default()) is None
    text = json.dumps(kept.infos)
    assert "ink.safetensors" not in text and "train/a" not in text
    assert "euler" in text, "a short list of words is no list of files"


@pytest.mark.parametrize("odd", [{}, {"input": 3}, {"input": {"required": []}}, {"input": {"required": {"a": 3}}}])
def test_odd_words_about_a_class_are_kept_without_trouble(odd: dict[str, Any]) -> None:
    kept = node_facts.of({"KSampler": odd}, {})
    assert "KSampler" in kept.classes
    graphs.lack({**INFOS, **kept.infos}, registry.default())


def test_a_class_that_another_took_the_place_of_counts_as_there() -> None:
    kept = node_facts.of(INFOS, {"OldSampler": "KSampler", "Gone": "NowhereEither"})
    assert "OldSampler" in kept.classes and "Gone" not in kept.classes


def test_a_change_that_keeps_pictures_from_being_made_is_known() -> None:
    kept = node_facts.of({**INFOS, "VAEDecode": {**INFOS["VAEDecode"], "output": [], "output_name": []}}, {})
    lack = graphs.lack(kept.infos, registry.default())
    assert lack is not None and (lack.kind, lack.class_type, lack.taker) == (
        "output",
        "VAEDecode",
        "SaveImage (“Save”)",
    )


def test_a_probe_keeps_it_and_another_version_is_asked_anew(
    engine: Engine, preview: PreviewThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert graphs.every_class() <= set(engine.node_infos)
    preview.engine.requests.clear()  # it keeps the latest thousand: a full list does not grow
    asked = preview.engine.requests.count("GET /object_info")
    assert roster.probe(engine)
    assert preview.engine.requests.count("GET /object_info") == asked
    Engine.objects.update(engine_version="0.8.0", node_infos={})
    engine.refresh_from_db()
    assert roster.probe(engine)
    assert preview.engine.requests.count("GET /object_info") == asked + 1
    assert graphs.every_class() <= set(Engine.objects.get().node_infos)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda infos: infos["KSampler"].update(output=["NOISE"]), "KSampler (“Sampler”) has no output"),
        (lambda infos: infos.pop("VAEDecode"), "not present: VAEDecode"),
    ],
)
def test_doctor_says_what_keeps_pictures_from_being_made(
    preview: PreviewThread, settings: Settings, change: Any, said: str
) -> None:
    preview.troubles.clear()
    settings.COMFYUI_URLS = [preview.url]
    infos = recorded_infos()
    change(infos)
    preview.troubles.add(Answer("/object_info", "GET", 200, json.dumps(infos), "application/json"))
    [finding] = [each for each in diagnostics.look_at_engines() if each.name == "Picture nodes"]
    assert not finding.well and said in finding.state and finding.remedy


FILES = {"checkpoints": ["sd_xl_base_1.0.safetensors"], "loras": ["sdxl_lightning_4step_lora.safetensors"]}
UNFIT = node_facts.of({**INFOS, "KSampler": {**INFOS["KSampler"], "output": ["NOISE"]}}, {})


def row(number: int, kept: node_facts.NodeFacts) -> Engine:
    """An engine that is well and has the studio's files."""
    known = {"node_classes": sorted(kept.classes), "node_infos": kept.infos, "health": Engine.Health.OK, **FILES}
    return Engine.objects.create(address=f"http://10.0.0.{number}:1", name=f"Engine {number}", **known)


def test_pictures_go_to_the_engine_whose_nodes_fit(db: None, ada: User) -> None:
    row(1, UNFIT)
    fits = row(2, node_facts.of(INFOS, {}))
    orders.place(Order("a fox", count=2), ada)
    for worker in ("one", "other"):
        claimed = claim(worker)
        assert claimed is not None and claimed.prompt.engine == fits
    assert availability.unfit(registry.default()) == []


def test_the_readiness_line_says_what_every_engine_lacks(db: None, ada: User) -> None:
    row(1, UNFIT)
    [problem] = availability.unfit(registry.default())
    assert problem.startswith("Engine 1 (ComfyUI ) cannot make these pictures. Its node KSampler (“Sampler”) has no")
    told = order_page.readiness(ada, registry.default(), (), 1, "1024x1024", 4, "text")
    assert problem in [each.text for each in told.problems]
    Engine.objects.update(health=Engine.Health.UNREACHABLE)
    assert availability.unfit(registry.default()) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    "odd",
    [
        '["FLOAT", {"default": Infinity, "min": -Infinity, "max": NaN}]',
        '["FLOAT", {"default": 1e999, "min": -1e999}]',
        '["STRING", {"default": "a\\u0000b\\ud800"}]',
    ],
)
def test_what_no_database_takes_keeps_no_engine_from_being_known(preview: PreviewThread, odd: str) -> None:
    """Python writes infinity as no JSON has it: one such default would stop the looks at every engine."""
    preview.troubles.clear()
    told = json.dumps({**INFOS, "KSampler": {**INFOS["KSampler"], "input": {"required": {"odd": "HERE"}}}})
    odd_engine = Engine.objects.create(address=preview.url)
    preview.troubles.add(
        Answer("/object_info", "GET", status=200, body=told.replace('"HERE"', odd), content_type="application/json")
    )
    try:
        assert roster.probe(odd_engine), odd_engine.trouble
    finally:
        preview.troubles.clear()
        roster.pool.close()
    odd_engine.refresh_from_db()
    text = json.dumps(odd_engine.node_infos, allow_nan=False)
    assert "odd" in text and "\\u0000" not in text and "\\ud800" not in text
