"""Templates without the white space at the beginning of their lines, which is for those who read them.

It is taken away once, when a template is read: pages and pushed fragments stay as small as if they were written in one
line. Lines stay, so that errors name the right one. In a `pre` and in a `textarea` they begin with a tag.
"""

from __future__ import annotations

import re

from django.template import Origin
from django.template.loaders import filesystem

_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)


class Loader(filesystem.Loader):
    """Reads the templates of the project."""

    def get_contents(self, origin: Origin) -> str:
        """The source of a template, its lines beginning at the first column."""
        return _INDENT.sub("", super().get_contents(origin))
