#!/bin/sh
# Graphs that ComfyUI's page saves may have subgraphs. Where are the values of their fields? Expected: in the nodes inside.
# In the official templates (comfyui-workflow-templates-json 0.1.123, the graphs of comfyui-workflow-templates 0.11.97)
# they are inside where the instance has "proxyWidgets" (164 instances), and in the instance's own "widgets_values" where
# it has none (131), where what stands inside is out of date. These values follow the inputs of the definition, not those
# of the instance, which lists other ones in 108 of the 131. Never both. A third of all templates has subgraphs, and
# over half of them run on paid services.
# Exit code 0: it is so. Needs a network for pip.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
  comfyui-workflow-templates-json==0.1.123
"$work/venv/bin/python" - <<'PYTHON'
import json
from collections import Counter
from importlib.resources import files

seen = Counter()
for path in (files("comfyui_workflow_templates_json") / "templates").iterdir():
    if not path.name.endswith(".json"):
        continue
    saved = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(saved, dict) or "nodes" not in saved:
        continue
    definitions = {each["id"]: each for each in saved.get("definitions", {}).get("subgraphs", [])}
    seen["templates"] += 1
    seen["with subgraphs"] += bool(definitions)
    seen["of paid services"] += path.name.startswith("api_")
    nodes = [*saved["nodes"], *(node for each in definitions.values() for node in each["nodes"])]
    for node in nodes:
        if node["type"] not in definitions:
            continue
        values, named = node.get("widgets_values") or [], node.get("properties", {}).get("proxyWidgets") or []
        seen["instances"] += 1
        seen["naming fields inside"] += bool(named)
        seen["with values"] += bool(values)
        seen["with both"] += bool(named and values)
        fields = [each for each in node.get("inputs", []) if "widget" in each]
        seen["with other inputs than values"] += bool(values) and len(fields) != len(values)
print(*(f"{name}: {number}" for name, number in seen.items()), sep="\n")
expected = {"templates": 644, "with subgraphs": 214, "of paid services": 335, "instances": 311, "naming fields inside": 164,
            "with values": 131, "with both": 0, "with other inputs than values": 108}
raise SystemExit(dict(seen) != expected)
PYTHON
