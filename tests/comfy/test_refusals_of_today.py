"""What ComfyUI 0.33.0 says when it refuses a graph, in words that name the node."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from stylestudio.comfy.client import ComfyClient
from stylestudio.comfy.errors import EngineErred
from stylestudio.comfy.protocol import answers
from stylestudio.preview_engine import troubles as t
from stylestudio.preview_engine.server import PreviewEngine

GRAPH: dict[str, Any] = {
    "4": {"class_type": "TrainLoraNode", "inputs": {}, "_meta": {"title": "Training"}},
    "5": {"class_type": "SaveLoRA", "inputs": {}, "_meta": {"title": "LoRA"}},
    "7": {"class_type": "Florence2Run", "inputs": {}, "_meta": {"title": "Describe it"}},
}


def whole(kind: str, message: str, **extra: object) -> dict[str, Any]:
    """An answer that is about the graph as a whole."""
    return {"error": {"type": kind, "message": message, "details": "", "extra_info": extra}, "node_errors": {}}


def of_node(node_id: str, class_type: str, kind: str, message: str, details: str, **extra: object) -> dict[str, Any]:
    """An answer that is about one node."""
    reason = {"type": kind, "message": message, "details": details, "extra_info": extra}
    errors = {node_id: {"errors": [reason], "dependent_outputs": ["5"], "class_type": class_type}}
    return {**whole("prompt_outputs_failed_validation", "Prompt outputs failed validation"), "node_errors": errors}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            whole(
                "missing_node_type",
                "Node 'Describe it' not found. The custom node may not be installed.",
                node_id="7",
                class_type="Florence2Run",
                node_title="Describe it",
            ),
            "The engine does not know the node Florence2Run (“Describe it”). "
            "Update its ComfyUI or install what provides it.",
        ),
        (
            whole(
                "missing_node_type",
                "Node 'ID #9' not found.",
                node_id="9",
                class_type="Florence2Run",
                node_title="Florence2Run",
            ),
            "The engine does not know the node Florence2Run. Update its ComfyUI or install what provides it.",
        ),
        (
            whole("missing_node_type", "Node 'x' has no class_type. The workflow may be corrupted.", class_type=None),
            "The engine does not accept the workflow (Node 'x' has no class_type. The workflow may be corrupted).",
        ),
        (
            whole("invalid_prompt_id", "prompt_id must be a valid UUID"),
            "The engine does not take the id that this work has. It wants UUIDs in lower case.",
        ),
        (
            of_node(
                "4", "TrainLoraNode", "dependency_cycle", "Dependency cycle detected",
                "4 (TrainLoraNode) -> 5 (SaveLoRA) -> 4 (TrainLoraNode)",
            ),
            "The engine does not accept the workflow (its nodes wait for each other in a circle: "
            "4 (TrainLoraNode) -> 5 (SaveLoRA) -> 4 (TrainLoraNode)).",
        ),
        (
            of_node(
                "5", "SaveLoRA", "exception_during_validation", "Exception when validating node",
                "list index out of range", exception_type="IndexError",
            ),
            "The engine does not accept the workflow "
            "(SaveLoRA (“LoRA”): Exception when validating node: list index out of range).",
        ),
        (
            of_node(
                "4", "TrainLoraNode", "value_bigger_than_max", "Value 200 bigger than max of 128", "rank",
                input_name="rank", received_value=200,
            ),
            "The engine does not accept the workflow "
            "(TrainLoraNode (“Training”), rank: Value 200 bigger than max of 128).",
        ),
        (whole("no_prompt", "No prompt provided"), "The engine does not accept the workflow (No prompt provided)."),
    ],
)  # fmt: skip
def test_a_refusal_names_the_node_its_title_and_its_input(answer: dict[str, Any], sentence: str) -> None:
    assert str(answers.graph_error(answer, GRAPH, "detail")) == sentence


async def test_a_graph_that_is_a_list_is_the_engines_own_error(preview: PreviewEngine, client: ComfyClient) -> None:
    preview.troubles.add(t.Answer(path="/prompt", method="POST", status=500))
    listed: Any = []
    with pytest.raises(EngineErred, match="had an error"):
        await client.submit(listed, "9b2d8c1e-1f43-4b0a-9c7e-0f0a5f1d2c3b", {})


async def test_an_engine_that_is_older_than_replacements_has_none(preview: PreviewEngine, client: ComfyClient) -> None:
    assert await client.replacements() == await client.replacements() == {}
    assert preview.requests.count("GET /node_replacements") == 1
    client.forget()
    preview.troubles.add(
        t.Answer(
            path="/node_replacements",
            status=200,
            body='{"Old": [{"new_node_id": "KSampler", "input_mapping": null, "output_mapping": null}], "Odd": 3}',
            content_type="application/json",
        )
    )
    assert {old: new.name for old, new in (await client.replacements()).items()} == {"Old": "KSampler"}


async def test_trouble_with_the_list_of_replacements_is_no_list(
    preview: PreviewEngine, session: aiohttp.ClientSession
) -> None:
    client = ComfyClient(session, preview.url, client_id="other")
    preview.troubles.add(t.Answer(path="/node_replacements", status=500))
    with pytest.raises(EngineErred):
        await client.replacements()
