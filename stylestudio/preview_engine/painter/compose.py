"""Composition: turns a parsed prompt into a stack of layers that fills the canvas well."""

from __future__ import annotations

from dataclasses import replace

from stylestudio.preview_engine.painter.fields import stream
from stylestudio.preview_engine.painter.layers import Stack
from stylestudio.preview_engine.painter.scenes.landscape import landscape
from stylestudio.preview_engine.painter.scenes.order import Order
from stylestudio.preview_engine.painter.scenes.single import effect, emblem, interface, portrait, space, still_life
from stylestudio.preview_engine.painter.words import Subject

STILL_LIFE = ("vase", "apple", "flower", "candle", "book", "bowl", "cup", "gem", "mushroom", "lantern")


def compose(order: Order) -> Stack:
    """Compose the layer stack of a picture. All randomness derives from seed, words and aspect ratio."""
    reading = order.reading
    if order.isolated:
        return emblem(order)
    families = {subject.family for subject in reading.subjects}
    outdoors = bool(reading.settings or "landmark" in families or set(reading.sky) & {"sun", "moon", "sky", "birds"})
    if "interface" in families:
        return interface(order)
    if "space" in families and not outdoors and "figure" not in families:
        return space(order)
    if "close" in reading.moods and not families and not outdoors:
        return portrait(replace(order, reading=replace(reading, subjects=(Subject("man", "figure"),))))
    if "figure" in families and (not outdoors or "close" in reading.moods):
        return portrait(order)
    if "effect" in families and not outdoors and not families & {"figure", "item"}:
        return effect(order)
    if "item" in families and not outdoors:
        return still_life(order, reading.of("item", "effect"))
    if not families and not outdoors and not reading.weather and not reading.times:
        rng = stream(order.key, "unknown")
        if rng.random() < 0.3:
            chosen = rng.choice(len(STILL_LIFE), 3, replace=False)
            return still_life(order, tuple(Subject(STILL_LIFE[int(index)], "item") for index in chosen))
    return landscape(order)
