"""Files that are stored once however often they come: rows with the `sha256` of what their `file` holds."""

from __future__ import annotations

from typing import Any, TypeVar

from django.core.files.base import ContentFile
from django.db import IntegrityError, transaction
from django.db.models import Model

from stylestudio.media import identity
from stylestudio.media.storage import all_or_nothing

M = TypeVar("M", bound=Model)


def stored_once(model: type[M], sha256: str, data: bytes, ending: str, **fields: Any) -> M:
    """The row of this hash: the one that there is, or a new one with `data` in its file and these fields. Raises
    OSError.
    """
    rows: Any = model._default_manager
    known: M | None = rows.filter(sha256=sha256).first()
    if known is not None:
        return known
    row: Any = model(**{"sha256": sha256, **fields})
    name = identity.new_name(ending)
    # Without a name the content counts as no file, and what Django reads of pictures would stay empty.
    row.file.save(name, ContentFile(data, name=name), save=False)
    try:
        with all_or_nothing() as noted:
            noted(str(row.file.name))
            with transaction.atomic():
                row.save()
    except IntegrityError:  # the same was sent twice at once
        row = rows.get(sha256=sha256)
    stored: M = row
    return stored
