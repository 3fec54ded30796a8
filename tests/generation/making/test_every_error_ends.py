"""Every refusal, every error and every answer of an engine ends, within its bounds and with a reason that is true."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from generation.engines import roster
from generation.engines.models import Engine
from generation.making import recovery, runner, verdicts
from generation.pictures import faults, graphs
from generation.pictures.models import EnginePrompt
from stylestudio.comfy import errors
from stylestudio.comfy.errors import ComfyError
from stylestudio.jobs.kinds import Status
from stylestudio.preview_engine.options import Options
from stylestudio.preview_engine.server import PreviewThread
from stylestudio.preview_engine.troubles import (
    Answer,
    DropSockets,
    Trouble,
)
from tests.generation.making.troubled import PASSING, TROUBLES, State, light_and_heavy, passes, place, reference

pytestmark = [pytest.mark.usefixtures("hasty")]


def complaint(folder_input: str, name: object, class_type: str = "LoraLoader") -> str:
    """How an engine refuses a graph over a file."""
    error = {"type": "value_not_in_list", "message": "Value not in list", "details": "",
             "extra_info": {"input_name": folder_input, "received_value": name}}  # fmt: skip
    node = {"class_type": class_type, "errors": [error], "dependent_outputs": []}
    return json.dumps({"error": {"type": "prompt_outputs_failed_validation"}, "node_errors": {"4": node}})


def load_image(kind: str = "custom_validation_failed") -> str:
    """How an engine refuses a picture to start from."""
    error = {"type": kind, "message": "Custom validation failed for node", "details": "image",
             "extra_info": {"input_name": "image", "received_value": "x.png"}}  # fmt: skip
    node = {"class_type": "LoadImage", "errors": [error], "dependent_outputs": []}
    return json.dumps({"error": {"type": "prompt_outputs_failed_validation"}, "node_errors": {"11": node}})


REFUSALS: dict[str, tuple[str, str]] = {  # by name: what the engine says, and the fault that it becomes
    "a file nobody needs": (complaint("lora_name", "nobody.safetensors"), "strange"),
    "a VAE nobody needs": (complaint("vae_name", "nobody.pt"), "strange"),
    "a file without a name": (complaint("ckpt_name", None), "invalid"),
    "a checkpoint that it lists": (complaint("ckpt_name", "sd_xl_base_1.0.safetensors"), "missing_file"),
    "a LoRA that it lists": (complaint("lora_name", "sdxl_lightning_4step_lora.safetensors"), "missing_file"),
    "an input picture": (load_image(), "invalid"),
    "an input picture of a list": (load_image("value_not_in_list"), "invalid"),
    "a class": ('{"error": {"type": "missing_node_type", "message": "Node not found.", "extra_info": {"class_type": '
                '"KSampler"}}, "node_errors": {}}', "invalid"),
    "the id": ('{"error": {"type": "invalid_prompt_id", "message": "no UUID"}, "node_errors": {}}', "invalid"),
    "a ring": ('{"error": {"type": "dependency_cycle", "message": "ring"}, "node_errors": []}', "invalid"),
    "no words": ("{}", "invalid"),
}  # fmt: skip
LIGHT = ("a file nobody needs", "a checkpoint that it lists", "an input picture", "a class")


@pytest.mark.parametrize("name", light_and_heavy(LIGHT, [name for name in REFUSALS if name not in LIGHT]))
def test_every_refusal_ends_with_a_reason_that_is_true(
    engine: Engine, preview: PreviewThread, ada: User, name: str
) -> None:
    body, kind = REFUSALS[name]
    preview.troubles.add(Answer("/prompt", "POST", 400, body, "application/json", times=None))
    preview.engine.requests.clear()
    task = passes(place(ada))
    assert (task.status, task.error_kind) == (Status.FAILED, kind)
    assert list(preview.engine.requests).count("POST /prompt") <= recovery.ATTEMPTS
    assert "None" not in task.error
    assert ("It lists the file all the same" in task.error) == ("that it lists" in name)


def test_a_reference_that_the_engine_does_not_find_is_sent_again_once(
    engine: Engine, preview: PreviewThread, ada: User
) -> None:
    task = place(ada, reference=reference(ada))
    loader = next(
        key for key, node in graphs.build(task, 0, task.request_id).items() if node["class_type"] == "LoadImage"
    )
    body = load_image().replace('"11"', f'"{loader}"')
    preview.troubles.add(Answer("/prompt", "POST", 400, body, "application/json", times=None))
    preview.engine.requests.clear()
    task = passes(task)
    assert (task.status, task.error_kind) == (Status.FAILED, "missing_file")
    assert list(preview.engine.requests).count("POST /upload/image") == 2


def test_a_picture_refused_by_every_engine_ends_and_one_that_takes_it_makes_it(
    engine: Engine, preview: PreviewThread, ada: User
) -> None:
    body = complaint("ckpt_name", "sd_xl_base_1.0.safetensors")
    with PreviewThread(Options(painter="flat")) as other:
        row = Engine.objects.create(address=other.url)
        assert roster.probe(row)
        refusal = Answer("/prompt", "POST", 400, body, "application/json", times=None)
        preview.troubles.add(refusal)
        assert passes(place(ada)).status == Status.COMPLETED
        assert roster.probe(engine), "it lists the file again"
        other.troubles.add(replace(refusal))
        task = passes(place(ada))
        assert (task.status, task.error_kind) == (Status.FAILED, "missing_file")
        assert task.prompts.count() <= 2 * recovery.ATTEMPTS
        roster.pool.close()


def test_of_two_engines_the_one_that_does_not_fail_it_gets_a_picture_that_was_tried(
    engine: Engine, preview: PreviewThread, ada: User, trouble: Callable[..., Trouble]
) -> None:
    trouble("500", "/prompt", "POST", times=None)
    with PreviewThread(Options(painter="flat")) as other:
        row = Engine.objects.create(address=other.url)
        assert roster.probe(row)
        tasks = [passes(place(ada)) for _number in range(3)]
        assert [task.status for task in tasks] == [Status.COMPLETED] * 3
        assert max(task.prompts.count() for task in tasks) <= 3
        roster.pool.close()


def test_tries_end_by_time_too_and_the_time_without_an_engine_does_not_count(
    engine: Engine, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = place(ada)
    old = timezone.now() - recovery.TRIED_FOR
    for attempt in range(1, recovery.FEW_TRIES):
        EnginePrompt.objects.create(
            task=task, index=0, attempt=attempt, engine=engine, worker="w", lease_until=old, claimed_at=old,
            state=State.LOST, misses=1,
        )  # fmt: skip

    def fail(attempt: int) -> str:
        prompt = EnginePrompt.objects.create(
            task=task, index=0, attempt=attempt, engine=engine, worker="w", lease_until=timezone.now()
        )
        verdicts.apply(
            prompt, task, recovery.judge(prompt, task, errors.EngineErred("An error (500).", "", 500, None), sent=True)
        )
        task.refresh_from_db()
        return task.status

    EnginePrompt.objects.filter(attempt=recovery.FEW_TRIES - 1).update(misses=0)  # it was away then
    assert fail(recovery.FEW_TRIES) == Status.QUEUED
    EnginePrompt.objects.update(misses=1)
    assert fail(recovery.FEW_TRIES + 1) == Status.FAILED
    assert task.error_kind == "engine_error"


def error_classes(root: type[ComfyError] = ComfyError) -> list[type[ComfyError]]:
    """Every class of the tree, once."""
    every = [each for child in root.__subclasses__() for each in (child, *error_classes(child))]
    return list(dict.fromkeys(every))


# How one of each class is made: a new class fails here until somebody says how it ends.
MADE: dict[type[ComfyError], Callable[[], ComfyError]] = {
    errors.EngineUnreachable: lambda: errors.EngineUnreachable("closed"),
    errors.NotConnected: lambda: errors.NotConnected("nothing answers"),
    errors.NotTrusted: lambda: errors.NotTrusted("its certificate has expired"),
    errors.SignInNeeded: lambda: errors.SignInNeeded("it asks for a sign-in"),
    errors.UploadBroken: lambda: errors.UploadBroken("ink.safetensors", "broke off"),
    errors.EngineTimeout: lambda: errors.EngineTimeout("too slow"),
    errors.BadResponse: lambda: errors.BadResponse("no ComfyUI"),
    errors.Refused: lambda: errors.Refused("refused", "", 403, None),
    errors.EngineErred: lambda: errors.EngineErred("an error (500)", "", 500, None),
    errors.EmptyFile: lambda: errors.EmptyFile("empty"),
    errors.NotFound: lambda: errors.NotFound("no such file"),
    errors.NotInstalled: lambda: errors.NotInstalled("ink.safetensors", "too large"),
    errors.GraphInvalid: lambda: errors.GraphInvalid("no"),
    errors.MissingFile: lambda: errors.MissingFile("checkpoints", "sd_xl_base_1.0.safetensors"),
    errors.ExecutionFailed: lambda: errors.execution_error("3", "KSampler", "RuntimeError", "boom"),
    errors.OutOfMemory: lambda: errors.execution_error("3", "KSampler", "MemoryError", ""),
    errors.PromptInterrupted: lambda: errors.PromptInterrupted("stopped"),
    errors.PromptLost: lambda: errors.PromptLost("lost"),
    errors.NotTaken: lambda: errors.NotTaken("not taken"),
    errors.FateUnknown: lambda: errors.FateUnknown("does not say"),
    errors.NotFetched: lambda: errors.NotFetched("not fetched", damaged=False),
    errors.PromptStalled: lambda: errors.PromptStalled("stalled"),
    errors.QueueStuck: lambda: errors.QueueStuck("stuck"),
}
# Nothing answers at all: that is waited for, for days if need be, and costs no attempt.
WAITED_FOR = {errors.NotConnected, errors.NotTrusted}


@pytest.mark.parametrize("sent", light_and_heavy((True,), (False,)))
@pytest.mark.parametrize("cls", error_classes(), ids=lambda cls: cls.__name__)
def test_every_error_ends_within_its_bounds_with_a_reason(
    few: None, engine: Engine, ada: User, monkeypatch: pytest.MonkeyPatch, cls: type[ComfyError], sent: bool
) -> None:
    def fail(making: runner._Making, *, attach: bool) -> EnginePrompt.State:
        making.sent = sent
        raise MADE[cls]()  # noqa: RSE102 - some are functions that make one

    monkeypatch.setattr(runner._Making, "run", fail)
    task = passes(place(ada), most=12)
    tries = task.prompts.count() + sum(task.prompts.values_list("misses", flat=True))
    if cls in WAITED_FOR:
        assert task.status == Status.QUEUED and not task.prompts.filter(misses__gt=0).exists()
        return
    assert task.status == Status.FAILED, f"{cls.__name__} is tried for ever"
    assert tries <= 2 * recovery.MOST_TRIES + recovery.ATTEMPTS
    assert task.error_kind in faults.FAULTS and task.error_kind != "internal"
    assert not task.prompts.filter(state__in=EnginePrompt.LIVE).exists()


ROUTES = [
    ("/object_info", "GET"), ("/upload/image", "POST"), ("/ws", "GET"), ("/prompt", "POST"), ("/history", "GET"),
    ("/queue", "GET"), ("/view", "GET"), ("/system_stats", "GET"), ("/models", "GET"),
]  # fmt: skip


@pytest.mark.heavy
@pytest.mark.parametrize("times", [1, 2, None], ids=["once", "twice", "for long"])
@pytest.mark.parametrize("kind", TROUBLES)
@pytest.mark.parametrize(("path", "method"), ROUTES, ids=[path for path, _method in ROUTES])
def test_every_answer_on_every_route_comes_to_an_end(
    engine: Engine, preview: PreviewThread, ada: User, trouble: Callable[..., Trouble], ran: Callable[[], int],
    path: str, method: str, kind: str, times: int | None,
) -> None:  # fmt: skip
    if path == "/history":
        preview.troubles.add(DropSockets(after="execution_start"))
    trouble(kind, path, method, times)
    task = passes(place(ada, reference=reference(ada)))
    assert not task.is_active, "tried for ever"
    assert task.saved == (task.status == Status.COMPLETED)
    if task.status == Status.FAILED:
        assert task.error_kind in faults.FAULTS and task.error_kind != "internal"
        assert times is None or kind not in PASSING, "what passes costs nothing"
    if path == "/view" and kind != "404":
        assert ran() == 1, "a finished picture is made once"
        assert task.saved or task.fetchable
