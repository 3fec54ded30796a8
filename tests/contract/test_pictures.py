"""Making pictures: what is said on the way, what comes out, and what the engine's cache does to it."""

from __future__ import annotations

import io
import json
from uuid import uuid4

import pytest
from PIL import Image, ImageChops, ImageStat

from stylestudio.comfy.graphs.workflow import Lora, chain_loras
from stylestudio.comfy.protocol.events import (
    Cached,
    Completed,
    Executed,
    Executing,
    Posted,
    Preview,
    Progress,
    QueueChanged,
    Started,
    Succeeded,
)

from .conftest import Engine, only
from .test_loras import installed, noise

SAMPLER, SAVE = "6", "8"


@pytest.mark.every_generation
async def test_text_to_image_tells_its_steps_and_gives_a_picture(engine: Engine) -> None:
    prompt_id = str(uuid4())
    run = engine.follow(engine.txt2img(width=96, height=64), prompt_id)
    completed = await run.end()

    order = [type(event) for event in run.seen if not isinstance(event, QueueChanged)]
    assert order[:3] == [Posted, Started, Cached]
    assert order[-4:] == [Executed, Succeeded, Executing, Completed]
    assert {step.node for step in run.of(Progress)} == {SAMPLER}
    engine.told_all(run, 4)
    assert {event.prompt_id for event in run.seen if not isinstance(event, QueueChanged)} == {prompt_id}
    assert run.of(Executing)[-1].node is None
    executing = [event.node for event in run.of(Executing)]
    assert executing.index(SAMPLER) < executing.index(SAVE)
    assert set(completed.outputs) == {SAVE}
    picture = await engine.picture(completed)
    assert (picture.size, picture.mode, picture.format) == ((96, 64), "RGB", "PNG")


async def test_previews_come_while_the_sampler_runs_and_say_whose_they_are(engine: Engine) -> None:
    prompt_id = str(uuid4())
    run = engine.follow(engine.txt2img(), prompt_id, extra_data={"preview_method": "auto"})
    await run.end()

    previews = run.of(Preview)
    assert 1 <= len(previews) <= 4
    assert {(preview.prompt_id, preview.node, preview.mime) for preview in previews} == {
        (prompt_id, SAMPLER, "image/jpeg")
    }
    assert all(Image.open(io.BytesIO(preview.data)).format == "JPEG" for preview in previews)
    assert [step.value for step in run.of(Progress)] == [1, 2, 3, 4], "a step with a preview is always told"
    began = run.seen.index(next(event for event in run.of(Executing) if event.node == SAMPLER))
    ended = run.seen.index(next(event for event in run.seen[began + 1 :] if isinstance(event, Executing)))
    assert all(began < run.seen.index(preview) < ended for preview in previews)


async def test_previews_can_be_switched_off_for_one_prompt(engine: Engine) -> None:
    run = engine.follow(engine.txt2img(), extra_data={"preview_method": "none"})
    await run.end()
    assert run.of(Preview) == []
    engine.told_all(run, 4)


async def test_same_inputs_give_the_same_pixels_and_another_seed_does_not(engine: Engine) -> None:
    first = await engine.picture(await engine.make(engine.txt2img(seed=7)))
    again = await engine.picture(await engine.make(engine.txt2img(seed=7)))
    other = await engine.picture(await engine.make(engine.txt2img(seed=8)))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


async def test_a_seed_of_zero_and_the_largest_seed_are_seeds(engine: Engine) -> None:
    lowest = await engine.picture(await engine.make(engine.txt2img(seed=0)))
    highest = await engine.picture(await engine.make(engine.txt2img(seed=2**64 - 1)))
    assert lowest.tobytes() != highest.tobytes()


async def test_a_style_behind_lightning_changes_the_picture_by_its_strength(engine: Engine) -> None:
    # Its own: among those on a server may be any, and what other tests left there is not all LoRAs.
    style = await installed(engine, noise(4))
    plain = engine.txt2img(seed=3)
    styled = chain_loras(engine.txt2img(seed=3), [Lora(style, 1.0, 1.0)], model=("2", 0), clip=("1", 1))
    weightless = chain_loras(engine.txt2img(seed=3), [Lora(style, 0.0, 0.0)], model=("2", 0), clip=("1", 1))
    pictures = [(await engine.picture(await engine.make(graph))).tobytes() for graph in (plain, styled, weightless)]
    assert pictures[0] != pictures[1]
    assert pictures[0] == pictures[2]


async def test_any_prompt_text_arrives_as_it_was_written(engine: Engine) -> None:
    text = 'a "quoted" {{seed}} \\ back\nnew line, 猫 🎨 {"a": 1}'
    prompt_id = str(uuid4())
    await engine.follow(engine.txt2img(positive=text), prompt_id).end()
    status, body = await engine.get(f"/history/{prompt_id}")
    graph = json.loads(body)[prompt_id]["prompt"][2]
    assert (status, graph["3"]["inputs"]["text"]) == (200, text)


async def test_image_to_image_keeps_more_of_the_reference_the_lower_denoise_is(engine: Engine) -> None:
    stripes = Image.new("RGB", (64, 64), "white")
    stripes.paste("navy", (0, 0, 64, 32))
    data = io.BytesIO()
    stripes.save(data, "PNG")
    ref = await engine.client.upload_image(data.getvalue(), f"{uuid4().hex}.png")

    pictures = {}
    for denoise in (0.0, 0.3, 1.0):
        run = engine.follow(engine.img2img(ref.filename, denoise=denoise, seed=5))
        pictures[denoise] = await engine.picture(await run.end())
        assert pictures[denoise].size == (64, 64)
        if denoise == 0.0:
            assert run.of(Progress) == []
        else:
            engine.told_all(run, 4)
    untouched, touched, redrawn = (pictures[denoise] for denoise in (0.0, 0.3, 1.0))
    assert _difference(touched, untouched) < _difference(redrawn, untouched)


async def test_the_reference_is_cropped_and_scaled_to_the_size_asked_for(engine: Engine) -> None:
    data = io.BytesIO()
    Image.new("RGB", (101, 75), "teal").save(data, "JPEG")
    ref = await engine.client.upload_image(data.getvalue(), f"{uuid4().hex}.jpg", subfolder=f"refs/{uuid4().hex}")
    picture = await engine.picture(
        await engine.make(engine.img2img(f"{ref.subfolder}/{ref.filename}", width=128, height=64))
    )
    assert picture.size == (128, 64)


async def test_a_new_filename_prefix_makes_a_new_file_without_sampling_again(engine: Engine) -> None:
    values = {"seed": 11}
    first = await engine.make(engine.txt2img(**values))
    run = engine.follow(engine.txt2img(**values))
    second = await run.end()

    assert run.of(Progress) == []
    assert SAMPLER in {node for event in run.of(Cached) for node in event.nodes}
    assert only(first) != only(second)
    assert (await engine.picture(first)).tobytes() == (await engine.picture(second)).tobytes()


async def test_the_very_same_graph_again_names_the_old_file(engine: Engine) -> None:
    graph = engine.txt2img()
    first = await engine.make(graph)
    run = engine.follow(graph)
    second = await run.end()
    assert first.outputs == second.outputs
    assert {node for event in run.of(Cached) for node in event.nodes} == set(graph)


async def test_a_prompt_id_that_we_choose_is_the_engines_too(engine: Engine) -> None:
    prompt_id = str(uuid4())
    graph = engine.txt2img()
    run = engine.follow(graph, prompt_id, extra_data={"stylestudio": {"task": 7}})
    completed = await run.end()

    entry = await engine.client.history(prompt_id)
    assert entry is not None
    assert (entry.prompt_id, entry.status, entry.outputs) == (prompt_id, "success", completed.outputs)
    _, body = await engine.get(f"/history/{prompt_id}")
    _number, known_id, known_graph, extra_data, outputs = json.loads(body)[prompt_id]["prompt"]
    assert (known_id, known_graph, outputs) == (prompt_id, graph, [SAVE])
    assert (extra_data["client_id"], extra_data["stylestudio"]) == (engine.client.client_id, {"task": 7})


async def test_several_pictures_of_a_batch_come_in_order(engine: Engine) -> None:
    graph = engine.txt2img()
    graph["5"]["inputs"]["batch_size"] = 2
    completed = await engine.make(graph)
    names = [ref.filename for ref in only(completed)]
    assert len(names) == 2
    assert names == sorted(names)


async def test_the_file_name_is_the_prefix_with_a_counter_in_its_folder(engine: Engine) -> None:
    folder = uuid4().hex
    (ref,) = only(await engine.make(engine.txt2img(filename_prefix=f"contract/{folder}/dawn")))
    assert (ref.filename, ref.subfolder, ref.type) == ("dawn_00001_.png", f"contract/{folder}", "output")


async def test_the_png_carries_the_graph_and_what_extra_pnginfo_names(engine: Engine) -> None:
    graph = engine.txt2img(positive="猫")
    run = engine.follow(graph, extra_data={"extra_pnginfo": {"studio": {"job": 3}}})
    picture = await engine.picture(await run.end())
    texts = picture.info
    assert json.loads(texts["prompt"]) == graph
    assert json.loads(texts["studio"]) == {"job": 3}
    assert texts["prompt"].isascii()
    assert "workflow" not in texts


async def test_a_size_that_is_no_multiple_of_8_is_rounded_down(engine: Engine) -> None:
    picture = await engine.picture(await engine.make(engine.txt2img(width=100, height=64)))
    assert picture.size == (96, 64)


def _difference(one: Image.Image, other: Image.Image) -> float:
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean)
