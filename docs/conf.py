"""How Sphinx turns this folder into a site; docs/build.py runs it. The pages themselves are plain Markdown."""

from __future__ import annotations

from sphinx.application import Sphinx

project = "StyleStudio"
html_title = "StyleStudio"
extensions = ["myst_parser"]
highlight_language = "none"  # blocks are commands and settings; blocks in a language name it
myst_heading_anchors = 3  # links to headings, spelled as code forges do
smartquotes = False  # two dashes are an option of a command
html_theme = "furo"
html_show_copyright = False
html_copy_source = False
templates_path: list[str] = []

# The order of the pages. It is here rather than in the pages because a forge would show Sphinx's directive as code.
ARTISTS = ("pictures", "prompts", "styles", "lists", "gallery", "editing", "finishing")
CURATORS = ("styles", "datasets", "captions", "training", "recipes", "people")
OPERATORS = ("install", "engines", "sizes", "proxy", "machines", "data", "taking-over", "terminal", "troubles")
REFERENCE = ("settings", "commands", "scripts", "recipes", "comfyui")
CONTENTS = {
    "index": (
        "artists/index",
        "curators/index",
        "operators/index",
        "reference/index",
        "glossary",
        "inside/index",
        "decisions/index",
    ),
    "artists/index": ARTISTS,
    "curators/index": CURATORS,
    "operators/index": OPERATORS,
    "reference/index": REFERENCE,
    "inside/index": ("*",),
    "decisions/index": ("*",),
}


def add_contents(app: Sphinx, page: str, source: list[str]) -> None:
    """Append the table of contents for the pages below this one."""
    if pages := CONTENTS.get(page):
        source[0] += "\n".join(("\n\n```{toctree}", ":hidden:", ":glob:", "", *pages, "```", ""))


def setup(app: Sphinx) -> None:
    """The entry point for Sphinx."""
    app.connect("source-read", add_contents)
