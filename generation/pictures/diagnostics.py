"""What `manage.py doctor` reports about an engine's nodes and files: which recipes it can make pictures by."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from django.utils.translation import gettext as _

from generation.engines import lacks
from generation.engines.diagnostics import UPDATE
from generation.engines.node_facts import NodeFacts
from generation.pictures import graphs
from generation.recipes import registry
from generation.recipes.recipe import Recipe
from stylestudio.comfy.file_names import is_listed
from stylestudio.processes.doctor import Finding

Files = Mapping[str, Collection[str]]


def look(_version: str, nodes: NodeFacts, files: Files) -> Iterable[Finding]:
    """Report what keeps the engine from making pictures by the default recipe, and what it has or lacks for the others
    and for texts: nobody has to use them all.
    """
    yield from _default(nodes)
    others = [recipe for recipe in registry.every().values() if recipe.name != registry.DEFAULT]
    wanting = [(recipe, _wanting(recipe, nodes, files)) for recipe in others]
    able = [recipe for recipe, words in wanting if not words]
    if pictures := [str(recipe.title) for recipe in able if recipe.name in registry.shipped()]:
        yield Finding(_("Other recipes"), _("pictures can be made by %s") % ", ".join(pictures))
    if texts := [str(recipe.title) for recipe in able if recipe.name in registry.captioners()]:
        yield Finding(_("Captions"), _("they can be proposed by %s") % ", ".join(texts))
    if texts := [str(recipe.title) for recipe in able if recipe.name in registry.translators()]:
        yield Finding(_("Translations of prompts"), ", ".join(texts))
    if changes := [str(recipe.title) for recipe in able if recipe.changes_pictures]:
        yield Finding(_("Changing pictures"), ", ".join(changes))
    for recipe, words in wanting:
        if words:
            yield Finding(_("Recipe %s") % recipe.title, words)


def _default(nodes: NodeFacts) -> Iterable[Finding]:
    if missing := sorted(graphs.classes_of(registry.default()) - nodes.classes):
        state = _("not present: %s") % ", ".join(missing)
        yield Finding(_("Picture nodes"), state, _("Update ComfyUI there: these nodes came with it."))
    elif lack := graphs.lack(nodes.infos, registry.default()):
        yield Finding(_("Picture nodes"), lacks.lack_in_words(lack), str(UPDATE))


def _wanting(recipe: Recipe, nodes: NodeFacts, files: Files) -> str:
    """What the engine lacks for a recipe, in words; "" if it lacks nothing."""
    absent = graphs.absent(nodes.classes, recipe)
    if lack := next(iter(absent), None) or graphs.lack(nodes.infos, recipe):
        return lacks.lack_in_words(lack, recipe.packages)
    needed = [(recipe.files[role].folder, name) for role, name in registry.files_of(recipe).items()]
    missing = [f"models/{folder}/{name}" for folder, name in needed if not is_listed(name, files.get(folder, ()))]
    return _("would need %s there") % ", ".join(missing) if missing else ""
