"""Removes the indentation of templates, which is only for their readers.

It is removed once, when a template is loaded: pages and pushed fragments stay as small as if they were written in one
line. Line breaks stay, so that errors name the right line. In `pre` and `textarea`, lines begin with a tag.
"""

from __future__ import annotations

import re

from django.template import Origin
from django.template.loaders import filesystem

_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)


class Loader(filesystem.Loader):
    """Loads the templates of the project."""

    def get_contents(self, origin: Origin) -> str:
        """The source of a template without indentation."""
        return _INDENT.sub("", super().get_contents(origin))
