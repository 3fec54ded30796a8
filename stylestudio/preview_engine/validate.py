"""Decides whether a graph can run, with the messages and JSON structures of ComfyUI."""

from __future__ import annotations

import traceback
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from stylestudio.preview_engine.nodes.node_class import Graph, NodeClass

from .files import Files
from .manners import Manners

CONVERSIONS = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
# Exceptions that a malformed graph can cause while it is traversed; each becomes a reason instead of a 500.
MALFORMED = (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)

Reason = dict[str, Any]


@dataclass(slots=True)
class Verdict:
    """`error` is None if at least one output can run; `node_errors` describes the others."""

    outputs: list[str] = field(default_factory=list)
    error: dict[str, Any] | None = None
    node_errors: dict[str, Any] = field(default_factory=dict)


def validate(
    graph: Graph,
    files: Files,
    nodes: Mapping[str, NodeClass],
    targets: Collection[str] | None = None,
    manners: Manners | None = None,
) -> Verdict:
    """Validate the graph, whose classes must be among `nodes`, and coerce its plain values in place.

    With `targets`, only those output nodes are run. A graph that is not a mapping of mappings raises TypeError,
    IndexError or KeyError: the real server answers it with 500.
    """
    manners = manners or Manners()
    outputs = []
    for node_id, node in graph.items():
        known = nodes.get(node["class_type"]) if "class_type" in node else None
        if known is None:
            absent = _missing_type if manners.names_missing_types else _unknown_class
            return Verdict(error=absent(node_id, node))
        if known.is_output and (targets is None or node_id in targets):
            outputs.append(node_id)
    if not outputs:
        return Verdict(error=_error("prompt_no_outputs", "Prompt has no outputs", ""))
    walk = _Walk(graph, files, nodes, finds_cycles=manners.finds_cycles)
    verdict = Verdict()
    complaints: list[Reason] = []
    for node_id in outputs:
        try:
            reasons, good = walk.check(node_id)
        except MALFORMED as problem:
            reason = _exception("exception_during_validation", "Exception when validating node", problem)
            reasons, good = [reason], False
            walk.seen[node_id] = (reasons, False)
        if good:
            verdict.outputs.append(node_id)
            continue
        complaints += reasons
        for seen_id, (its_reasons, its_good) in walk.seen.items():
            if its_good or not its_reasons:
                continue
            entry = verdict.node_errors.setdefault(
                seen_id,
                {"errors": its_reasons, "dependent_outputs": [], "class_type": graph[seen_id]["class_type"]},
            )
            entry["dependent_outputs"].append(node_id)
    if not verdict.outputs:
        details = "\n".join(dict.fromkeys(f"{reason['message']}: {reason['details']}" for reason in complaints))
        verdict.error = _error("prompt_outputs_failed_validation", "Prompt outputs failed validation", details)
    return verdict


class _Walk:
    """Traverses from outputs to ancestors; `seen` holds (own reasons, whether it and all its ancestors are valid)."""

    def __init__(self, graph: Graph, files: Files, nodes: Mapping[str, NodeClass], *, finds_cycles: bool) -> None:
        self.seen: dict[str, tuple[list[Reason], bool]] = {}
        self._graph = graph
        self._files = files
        self._nodes = nodes
        self._finds_cycles = finds_cycles
        self._path: list[str] = []  # of links, from an output to the node being checked

    def check(self, node_id: str) -> tuple[list[Reason], bool]:
        if node_id in self.seen:
            return self.seen[node_id]
        if self._finds_cycles and node_id in self._path:
            return self._cycle(node_id)
        self._path.append(node_id)
        try:
            reasons, good = self._check_inputs(node_id)
        finally:
            self._path.pop()
        if self._finds_cycles and node_id in self.seen:
            # A link of an ancestor led back here.
            told, good = self.seen[node_id]
            reasons = [*told, *(reason for reason in reasons if reason not in told)]
        self.seen[node_id] = (reasons, good)
        return self.seen[node_id]

    def _cycle(self, node_id: str) -> tuple[list[Reason], bool]:
        """One reason for all nodes of the cycle."""
        path = [*self._path[self._path.index(node_id) :], node_id]
        around = list(dict.fromkeys(path))
        details = " -> ".join(f"{each} ({self._graph[each]['class_type']})" for each in path)
        for each in around:
            reason = {"type": "dependency_cycle", "message": "Dependency cycle detected", "details": details}
            self.seen[each] = ([{**reason, "extra_info": {"node_id": each, "cycle_nodes": around}}], False)
        return self.seen[node_id]

    def _check_inputs(self, node_id: str) -> tuple[list[Reason], bool]:
        """The faults of the node itself, and whether it and all its ancestors are valid."""
        node = self._graph[node_id]
        inputs = node["inputs"]
        known = self._nodes[node["class_type"]]
        reasons: list[Reason] = []
        good = True
        required = known.inputs(self._files)
        optional = known.optional(self._files) if known.optional else {}
        for name, spec in (required | optional).items():
            if name not in inputs:
                if name in required:
                    reasons.append(_missing(name))
            elif isinstance(inputs[name], list):
                reason, below = self._check_link(name, spec, inputs[name])
                good = good and below
                if reason:
                    reasons.append(reason)
            elif reason := self._check_value(known, name, spec, inputs):
                reasons.append(reason)
        if known.refuse and not reasons and (refusal := known.refuse(self._files, inputs)):
            reasons.append(_refused(*refusal))
        return reasons, good and not reasons

    def _check_link(self, name: str, spec: list[Any], link: list[Any]) -> tuple[Reason | None, bool]:
        if len(link) != 2:
            message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            return _reason("bad_linked_input", message, name, spec, {"received_value": link}), True
        source, slot = link
        given = self._nodes[self._graph[source]["class_type"]].outputs[slot]
        wanted = spec[0]
        if "*" not in (given, wanted) and given != wanted:
            details = f"{name}, received_type({given}) mismatch input_type({wanted})"
            facts = {"received_type": given, "linked_node": link}
            message = "Return type mismatch between linked nodes"
            return _reason("return_type_mismatch", message, name, spec, facts, details), True
        try:
            return None, self.check(source)[1]
        except MALFORMED as problem:
            reason = _exception("exception_during_inner_validation", "Exception when validating inner node", problem)
            facts = {"input_name": name, "input_config": _config(spec), "linked_node": link}
            reason["extra_info"] |= {**facts, "exception_message": str(problem)}
            self.seen[source] = ([reason], False)
            return None, False

    def _check_value(self, known: NodeClass, name: str, spec: list[Any], inputs: dict[str, Any]) -> Reason | None:
        kind, limits = _config(spec)
        value = inputs[name]
        if isinstance(value, dict) and "__value__" in value:
            value = inputs[name] = value["__value__"]
        try:
            if isinstance(kind, str) and kind in CONVERSIONS:
                value = inputs[name] = CONVERSIONS[kind](value)
        except (TypeError, ValueError, OverflowError) as problem:
            message = f"Failed to convert an input value to a {kind} value"
            facts = {"received_value": value, "exception_message": str(problem)}
            return _reason("invalid_input_type", message, name, spec, facts, f"{name}, {value}, {problem}")
        if known.refuse:
            return None
        facts = {"received_value": value}
        if "min" in limits and value < limits["min"]:
            message = f"Value {value} smaller than min of {limits['min']}"
            return _reason("value_smaller_than_min", message, name, spec, facts)
        if "max" in limits and value > limits["max"]:
            message = f"Value {value} bigger than max of {limits['max']}"
            return _reason("value_bigger_than_max", message, name, spec, facts)
        # Newer node classes list the choices beside the type.
        choices = limits.get("options") if kind == "COMBO" else kind
        if isinstance(choices, list) and value not in choices:
            long = len(choices) > 20
            details = f"{name}: '{value}' not in {f'(list of length {len(choices)})' if long else choices}"
            reason = _reason("value_not_in_list", "Value not in list", name, spec, facts, details)
            if long:
                reason["extra_info"]["input_config"] = None
            return reason
        return None


def _config(spec: list[Any]) -> list[Any]:
    return [spec[0], spec[1] if len(spec) > 1 else {}]


def _error(kind: str, message: str, details: str) -> dict[str, Any]:
    return {"type": kind, "message": message, "details": details, "extra_info": {}}


def _unknown_class(node_id: str, node: dict[str, Any]) -> dict[str, Any]:
    if "class_type" not in node:
        message = "Cannot execute because a node is missing the class_type property."
    else:
        message = f"Cannot execute because node {node['class_type']} does not exist."
    return _error("invalid_prompt", message, f"Node ID '#{node_id}'")


def _missing_type(node_id: str, node: dict[str, Any]) -> dict[str, Any]:
    class_type = node.get("class_type")
    title = node.get("_meta", {}).get("title", class_type)
    if "class_type" not in node:
        named = title or f"ID #{node_id}"
        message = f"Node '{named}' has no class_type. The workflow may be corrupted or a custom node is missing."
    else:
        message = f"Node '{title}' not found. The custom node may not be installed."
    extra = {"node_id": node_id, "class_type": class_type, "node_title": title}
    return {**_error("missing_node_type", message, f"Node ID '#{node_id}'"), "extra_info": extra}


def _reason(
    kind: str, message: str, name: str, spec: list[Any], facts: dict[str, Any], details: str | None = None
) -> Reason:
    extra = {"input_name": name, "input_config": _config(spec), **facts}
    return {"type": kind, "message": message, "details": name if details is None else details, "extra_info": extra}


def _missing(name: str) -> Reason:
    return {
        "type": "required_input_missing",
        "message": "Required input is missing",
        "details": name,
        "extra_info": {"input_name": name},
    }


def _refused(name: str, why: str) -> Reason:
    return {
        "type": "custom_validation_failed",
        "message": "Custom validation failed for node",
        "details": f"{name} - {why}",
        "extra_info": {"input_name": name},
    }


def _exception(kind: str, message: str, problem: BaseException) -> Reason:
    extra = {
        "exception_type": type(problem).__qualname__,
        "traceback": traceback.format_tb(problem.__traceback__)[-2:],
    }
    return {"type": kind, "message": message, "details": str(problem), "extra_info": extra}
