"""What holds the form of all pictures of a list: what its owner had under "Hold the form" when the list was begun."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from generation.controls.models import NOTHING, Given
from generation.controls.words import kind_words, no_control
from generation.lists.models import ListHold, OrderList
from generation.ordering import drafts
from generation.ordering.control_form import preparing
from generation.ordering.control_form.fields import ControlFields
from generation.ordering.control_form.preparing import Wish
from generation.ordering.orders import Order
from generation.ordering.references import of_ticket
from stylestudio.images.decoding import BadPicture


def now(user: User) -> ListHold | None:
    """What the form of this person holds now, not stored; None if that is nothing."""
    values = drafts.filled(user)
    told = {name: str(values[name]) for name in ControlFields.base_fields if values.get(name) not in (None, "")}
    source = of_ticket(told.pop("control_id", ""), user)
    found = ListHold(source=source, fields=told) if source else None
    return found if found and wish(found) else None


def wish(hold: ListHold) -> Wish | None:
    """What it asks for; None if it asks for nothing that can be made."""
    form = ControlFields(hold.fields)
    form.is_valid()
    way = form.way()
    return Wish(hold.source, way, form.hold()) if way and not form.errors else None


def keep(hold: ListHold, found: OrderList) -> None:
    """Store what holds the form of a new list."""
    hold.order_list = found
    hold.save(force_insert=True)


def words(hold: ListHold) -> str:
    """What it is, such as "Depth, 0.80"."""
    asked = wish(hold)
    assert asked  # otherwise it was not kept
    part = asked.hold
    facts = {"kind": kind_words(asked.way.kind), "strength": f"{part.strength:.2f}"}
    facts |= {"start": f"{part.start:.0%}", "end": f"{part.end:.0%}"}
    return _("%(kind)s, how strictly: %(strength)s, from %(start)s to %(end)s of the steps") % facts


def trouble(hold: ListHold, order: Order, user: User) -> str:
    """Why the form of an order's pictures cannot be held by it; "" if it can. Nothing is stored."""
    asked = wish(hold)
    assert asked
    if order.recipe.control is None:
        return no_control(order.recipe)
    if asked.way.kind not in order.recipe.control.types:
        return _("%(recipe)s knows no control pictures of this kind.") % {"recipe": order.recipe.title}
    try:
        made = preparing.preview(asked.source, asked.way, (order.width, order.height), user)
    except BadPicture as error:
        return str(error)
    return preparing.empty(asked.way) if made.is_empty else ""


def given(hold: ListHold | None, order: Order, user: User) -> Given:
    """What an order is given, stored. Raises BadPicture."""
    if hold is None:
        return NOTHING
    return preparing.given(wish(hold), order.given.fit, None, order.recipe, (order.width, order.height), user)
