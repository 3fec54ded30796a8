"""Removes what is in templates only for their readers: the indentation, and the line break after a line that is nothing
but an `if`, a `for` or a `with`.

It is removed once, when a template is loaded: pages and pushed fragments stay as small as if they were written in one
line. While templates are worked on, with DEBUG, line breaks stay, so that errors name the right line. In `pre` and
`textarea`, lines begin with a tag.
"""

from __future__ import annotations

import re

from django.conf import settings
from django.template import Origin
from django.template.loaders import filesystem

_INDENT = re.compile(r"^[ \t]+", re.MULTILINE)
_ONLY_CONTROL = re.compile(
    r"^(\{% (?:if|elif|else|endif|for|empty|endfor|with|endwith)(?: [^%\n]*)? ?%\})\n", re.MULTILINE
)


class Loader(filesystem.Loader):
    """Loads the templates of the project."""

    def get_contents(self, origin: Origin) -> str:
        """The source of a template without indentation and such line breaks."""
        source = _INDENT.sub("", super().get_contents(origin))
        return source if settings.DEBUG else _ONLY_CONTROL.sub(r"\1", source)
