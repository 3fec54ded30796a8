"""What a process remembers of rows that are only ever added."""

from __future__ import annotations

import pytest
from django.db import transaction

from stylestudio.database.remembered import Remembered, forget_all


class Undone(Exception):
    """Rolls a transaction back."""


@pytest.mark.django_db(transaction=True)
def test_what_is_committed_is_remembered_and_what_is_rolled_back_is_not() -> None:
    known: Remembered[str] = Remembered()
    with transaction.atomic():
        known.note({"kept": 1})
        assert not known.of(["kept"]), "it may still be rolled back"
    with pytest.raises(Undone), transaction.atomic():
        known.note({"undone": 2})
        raise Undone
    assert known.of(["kept", "undone", "never"]) == {"kept": 1}


@pytest.mark.django_db(transaction=True)
def test_no_more_is_remembered_than_there_is_room_for_and_the_newest_stays() -> None:
    known: Remembered[int] = Remembered(most=3)
    for key in range(5):
        known.note({key: key})
    assert len(known.of(range(5))) <= 3
    assert known.of([4]) == {4: 4}


@pytest.mark.django_db(transaction=True)
def test_of_another_database_nothing_is_known() -> None:
    known: Remembered[str] = Remembered()
    known.note({"kept": 1})
    forget_all()
    assert not known.of(["kept"])
