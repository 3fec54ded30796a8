"""What an engine says about itself."""

from __future__ import annotations

import asyncio
import json
from uuid import uuid4

import pytest

from stylestudio.comfy.errors import NotFound
from stylestudio.comfy.graphs.graph import missing_files
from stylestudio.comfy.graphs.node_info import combo_options
from stylestudio.comfy.graphs.wiring import adapt

from .conftest import Engine


async def test_system_stats_name_version_device_and_memory(engine: Engine) -> None:
    stats = await engine.client.system_stats()
    assert stats.version not in ("", "unknown")
    assert stats.python_version[0].isdigit()
    assert stats.device_name != "unknown"
    assert stats.device_type != "unknown"
    assert stats.vram_total >= stats.vram_free > 0


@pytest.mark.every_generation
async def test_current_engines_say_which_packages_they_need(engine: Engine) -> None:
    system = json.loads((await engine.get("/system_stats"))[1])["system"]
    if not engine.since(0, 33):
        assert "comfy_package_versions" not in system
        return
    packages = system["comfy_package_versions"]
    assert all(set(package) == {"name", "installed", "required"} for package in packages)
    assert {"comfyui-frontend-package", "comfyui-workflow-templates"} <= {package["name"] for package in packages}


@pytest.mark.every_generation
async def test_a_request_that_another_site_caused_is_refused_since_0_19(engine: Engine) -> None:
    expected = 403 if engine.since(0, 19) else 200
    for site, status in (("cross-site", expected), ("same-origin", 200), ("none", 200)):
        async with engine.session.get(f"{engine.url}/queue", headers={"Sec-Fetch-Site": site}) as answer:
            assert answer.status == status, site


@pytest.mark.every_generation
async def test_what_is_posted_to_an_unknown_path_is_not_allowed(engine: Engine) -> None:
    async with engine.session.post(f"{engine.url}/api/nowhere", json={}) as answer:
        assert answer.status == 405
    assert (await engine.get("/api/nowhere"))[0] == 404


@pytest.mark.every_generation
async def test_classes_that_were_renamed_are_listed_since_0_14(engine: Engine) -> None:
    status, body = await engine.get("/node_replacements")
    if not engine.since(0, 14):
        assert status == 404
        return
    replacements = json.loads(body)
    assert replacements["T2IAdapterLoader"] == [
        {
            "new_node_id": "ControlNetLoader",
            "old_node_id": "T2IAdapterLoader",
            "old_widget_ids": None,
            "input_mapping": [{"new_id": "control_net_name", "old_id": "t2i_adapter_name"}],
            "output_mapping": None,
        }
    ]
    assert {"ConditioningAverage ", "ImageBatch", "ImageScaleBy", "ResizeImagesByLongerEdge"} <= set(replacements)


@pytest.mark.every_generation
async def test_models_are_listed_by_folder(engine: Engine) -> None:
    assert engine.checkpoint in await engine.client.models("checkpoints")
    assert engine.lightning in await engine.client.models("loras")
    with pytest.raises(NotFound):
        await engine.client.models("nonsense")


async def test_a_node_class_describes_its_inputs(engine: Engine) -> None:
    info = await engine.client.object_info("KSampler")
    assert info is not None
    required = info["input"]["required"]
    assert {"model", "seed", "steps", "cfg", "sampler_name", "scheduler", "denoise"} <= set(required)
    assert required["steps"][0] == "INT"
    assert required["steps"][1]["min"] == 1
    assert "euler" in (combo_options(required["sampler_name"]) or ())
    assert "sgm_uniform" in (combo_options(required["scheduler"]) or ())
    assert (info["output"], info["output_node"]) == (["LATENT"], False)
    assert await engine.client.object_info("NoSuchNode") is None


async def test_choices_of_files_are_the_folders_lists(engine: Engine) -> None:
    for class_type, name, folder in (
        ("CheckpointLoaderSimple", "ckpt_name", "checkpoints"),
        ("LoraLoader", "lora_name", "loras"),
        ("UNETLoader", "unet_name", "diffusion_models"),
        ("CLIPLoader", "clip_name", "text_encoders"),
        ("VAELoader", "vae_name", "vae"),
    ):
        info = await engine.client.object_info(class_type)
        assert info is not None
        if folder == "vae":  # ComfyUI lists some that have no file
            options = combo_options(info["input"]["required"][name])
            assert set(await engine.client.models(folder)) <= set(options or ())
            continue
        options = combo_options(info["input"]["required"][name])
        assert options is not None
        assert set(options) == set(await engine.client.models(folder))


async def test_our_workflows_need_no_adapting(engine: Engine) -> None:
    assert {"KSampler", "SaveImage", "LoraLoader"} <= await engine.client.node_classes()
    models = {folder: await engine.client.models(folder) for folder in ("checkpoints", "loras")}
    for graph in (engine.txt2img(), engine.img2img("x.png")):
        infos = {node["class_type"]: await engine.client.object_info(node["class_type"]) for node in graph.values()}
        assert adapt(graph, infos) == graph
        assert missing_files(graph, models) == ()


async def test_features_name_the_largest_upload(engine: Engine) -> None:
    assert (await engine.client.features())["max_upload_size"] >= 2**20


async def test_an_idle_engine_frees_its_memory_and_works_again(engine: Engine) -> None:
    graph = engine.txt2img()
    await engine.make(graph)
    await engine.client.free()
    assert (await engine.make(engine.txt2img())).outputs


async def test_the_first_frame_of_a_socket_is_the_queues_state(engine: Engine) -> None:
    client_id = uuid4().hex
    async with engine.session.ws_connect(f"{engine.url}/ws?clientId={client_id}") as socket, asyncio.timeout(10):
        first = json.loads((await socket.receive()).data)
        assert first["type"] == "status"
        assert first["data"]["sid"] == client_id
        assert first["data"]["status"]["exec_info"]["queue_remaining"] >= 0


async def test_the_handshake_is_answered_with_the_features(engine: Engine) -> None:
    async with engine.session.ws_connect(f"{engine.url}/ws?clientId={uuid4().hex}") as socket, asyncio.timeout(10):
        await socket.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
        frames = [json.loads((await socket.receive()).data) for _ in range(2)]
        assert [frame["type"] for frame in frames] == ["status", "feature_flags"]
        assert frames[1]["data"]["supports_preview_metadata"] is True


async def test_every_route_exists_under_api_too(engine: Engine) -> None:
    for path in ("/system_stats", "/queue", "/models/loras", "/object_info/KSampler", "/features"):
        status, body = await engine.get(f"/api{path}")
        assert status == 200
        assert json.loads(body)
