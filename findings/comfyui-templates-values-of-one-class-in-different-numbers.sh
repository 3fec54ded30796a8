#!/bin/sh
# Graphs that ComfyUI's page saves hold the values of a node by place, without names. Is the number of them that of the
# class? Expected, in the templates of one release: yes, for all were saved for it.
# In the official templates (comfyui-workflow-templates-json 0.1.123, the graphs of comfyui-workflow-templates 0.11.97)
# 13 of the 93 classes that are used ten times or more have lists of different lengths: a template keeps the length of the
# page that saved it last. ImageScaleToTotalPixels has two values or three, CreateVideo one to four, and PreviewAny three
# although it has no field at all: what a node shows is stored like a value. So a reader by place takes the usual value for
# a field that is not there, must not take what is left over for one, and cannot tell a short list from an old one.
# Exit code 0: it is so. Needs a network for pip.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
  comfyui-workflow-templates-json==0.1.123
"$work/venv/bin/python" - <<'PYTHON'
import json
from collections import Counter, defaultdict
from importlib.resources import files

lengths = defaultdict(Counter)
for path in (files("comfyui_workflow_templates_json") / "templates").iterdir():
    if not path.name.endswith(".json"):
        continue
    saved = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(saved, dict) or "nodes" not in saved:
        continue
    for level in (saved, *saved.get("definitions", {}).get("subgraphs", [])):
        for node in level["nodes"]:
            values = node.get("widgets_values")
            if isinstance(values, list) and node.get("properties", {}).get("cnr_id") == "comfy-core":
                lengths[node["type"]][len(values)] += 1
often = {kind: each for kind, each in lengths.items() if each.total() >= 10}
differing = {kind: dict(sorted(each.items())) for kind, each in often.items() if len(each) > 1}
print(f"classes used ten times or more: {len(often)}, with lists of different lengths: {len(differing)}")
print(*(f"{kind}: {each}" for kind, each in sorted(differing.items())), sep="\n")
expected = {"ImageScaleToTotalPixels": {2: 5, 3: 38}, "CreateVideo": {1: 48, 2: 39, 3: 10, 4: 10},
            "PreviewAny": {0: 26, 3: 69}, "ModelSamplingAuraFlow": {1: 69, 2: 4}}
raise SystemExit((len(often), len(differing)) != (93, 13) or any(differing[kind] != each for kind, each in expected.items()))
PYTHON
