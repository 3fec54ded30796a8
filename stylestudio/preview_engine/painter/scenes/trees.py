"""Trees along a skyline."""

from __future__ import annotations

import numpy as np

from stylestudio.preview_engine.painter.fields import Field, stream
from stylestudio.preview_engine.painter.layers import Layer
from stylestudio.preview_engine.painter.scenes.order import Order
from stylestudio.preview_engine.painter.scenes.placing import PLANTS, draw_into, drawable
from stylestudio.preview_engine.painter.terrain import Site
from stylestudio.preview_engine.painter.words import Subject


def trees_along(
    order: Order,
    site: Site,
    setting: str,
    index: int,
    t: float,
    line: Field,
    rng: np.random.Generator,
    main: Subject | None,
    keep_free: float | None,
) -> Layer | None:
    """Trees along a skyline, of the kinds that the prompt names."""
    reading = order.reading
    named = [s for s in drawable(reading, "landmark") if s.name in PLANTS]
    wanted = setting in ("forest", "meadow", "hill", "swamp") or named
    own = stream(order.key, "trees", index)
    if not wanted or index == 0 or (setting == "desert" and not named):
        return None
    if main is not None and main.name in PLANTS and not main.many and setting != "forest" and len(named) == 1:
        return None
    kinds = named or [
        Subject(
            ("pine", "tree")[int(rng.integers(2))]
            if setting != "forest"
            else ("pine", "pine", "tree")[int(stream(order.key, "wood").integers(3))],
            "landmark",
        )
    ]
    dense = {"forest": 26, "meadow": 7, "hill": 7}.get(setting, 9)
    count = int(dense * (1.25 - 0.75 * t) * (0.55 + 0.45 * site.detail) * (site.width / site.unit) ** 0.7)
    pen = site.pen()
    places = np.sort(own.random(count))
    for number, place in enumerate(places):
        x = float(place) * site.width
        if keep_free is not None and abs(x / site.width - keep_free) < 0.2 * site.unit / site.width + 0.05:
            continue
        if t > 0.6 and 0.3 < place < 0.7 and setting != "forest":
            continue
        size = site.unit * (0.07 + 0.20 * t) * float(own.uniform(0.7, 1.3)) * (1.25 if setting == "forest" else 1.0)
        if t > 0.9:
            size *= 1.35
        y = float(line[int(np.clip(x, 0, site.width - 1))]) + size * 0.06 + float(own.random()) * site.unit * 0.03
        kind = kinds[int(own.integers(len(kinds)))]
        draw_into(pen, site, kind, x, y, size, flip=bool(own.random() < 0.5), tag=(index, number))
    return pen.layer("subject", 0.14 + 0.8 * t + 0.02)
