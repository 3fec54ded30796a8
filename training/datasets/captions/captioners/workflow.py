"""Captions from a ComfyUI workflow that the studio's operator provides.

The file is a graph in API format with {{image}} as the picture of a LoadImage node, and a node that outputs the caption
as text, such as PreviewAny; of several the one titled "Caption" counts. It may have {{question}}, what people ask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from generation.asking.questions import is_waiting
from generation.engines import listings, roster
from generation.engines.models import Engine
from stylestudio.comfy.graphs import graph
from stylestudio.comfy.graphs.workflow import Workflow, load
from training.datasets.captions.captioners import answers
from training.datasets.captions.captioners.base import Proposal
from training.datasets.models import DatasetImage

OURS = Path(__file__).parent / "workflows"
USUAL_QUESTION = "Describe this picture in one or two plain sentences."


@dataclass(frozen=True, slots=True)
class FromWorkflow:
    """One workflow file."""

    path: Path

    @property
    def name(self) -> str:
        """Derived from the file's name."""
        return f"workflow:{self.path.stem}"[:40]

    @property
    def label(self) -> str:
        """The file's name as words."""
        words = self.path.stem.replace("_", " ").replace("-", " ").strip()
        return words[:1].upper() + words[1:]

    @property
    def needs(self) -> str:
        """What to expect."""
        if self.path.parent == OURS:
            return _("An example for trying things out: tells colours and size, and nothing of what is in the picture.")
        return _("Runs a workflow of this studio on an engine. Look at what it proposes before you accept it.")

    @property
    def question(self) -> str:
        """A usual one, if the file has a place for it."""
        try:
            return USUAL_QUESTION if "question" in self._load().placeholders else ""
        except (graph.GraphError, OSError):
            return ""

    def trouble(self) -> str:
        """Why it cannot run now."""
        try:
            workflow = self._load()
        except (graph.GraphError, OSError) as error:
            return _("The workflow cannot be used: %(reason)s") % {"reason": error}
        serving = roster.serving()
        if not serving:
            return _("No engine answers now.")
        if not any(_Asked(workflow).is_able(engine) for engine in serving):
            return _("No engine that serves now has the nodes of this workflow.")
        return ""

    def is_waiting(self) -> bool:
        """Whether only engines that have its nodes are away."""
        try:
            return is_waiting(_Asked(self._load()))
        except (graph.GraphError, OSError):
            return False

    def propose(self, images: Sequence[DatasetImage], question: str, check: Callable[[], None]) -> Iterator[Proposal]:
        """Run each picture as one prompt."""
        return answers.captions(_Asked(self._load(), question), images, check)

    def _load(self) -> Workflow:
        workflow = load(self.path)
        if not {"image"} <= workflow.placeholders <= {"image", "question"}:
            words = "needs {{image}} once or more, and no other placeholder but {{question}}"
            raise graph.GraphError(f"{self.path.name} {words}.")
        return workflow


@dataclass(frozen=True, slots=True)
class _Asked:
    workflow: Workflow
    question: str = ""

    def is_able(self, engine: Engine) -> bool:
        return listings.has_all(engine, (), self.workflow.classes)

    def graph(self, picture: str) -> graph.Graph:
        values = {"image": picture, "question": self.question}
        return self.workflow.fill({name: values[name] for name in self.workflow.placeholders})

    def text(self, texts: Mapping[str, tuple[str, ...]]) -> str:
        """The output of the node titled Caption, or else the first output that is not empty."""
        titled = [node for node in texts if self.workflow.nodes[node].get("_meta", {}).get("title") == "Caption"]
        return next((", ".join(texts[node]) for node in (*titled, *texts) if "".join(texts[node]).strip()), "")


def folder() -> Path:
    """The folder for the operator's workflow files."""
    return Path(settings.CAPTIONERS_DIR)


def workflows() -> list[FromWorkflow]:
    """The operator's files by name, then our example, which is only useful while the preview engine serves."""
    own = sorted(folder().glob("*.json")) if folder().is_dir() else []
    return [FromWorkflow(path) for path in (*own, *sorted(OURS.glob("*.json")))]
