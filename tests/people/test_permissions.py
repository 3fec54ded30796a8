"""Who may do what: every address of the studio, GET and POST, five people, and what is private.

The addresses come from the resolver. One that stands in no table fails, so a new page says here whom it is for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.cookies import SimpleCookie

import pytest
from django.db import connection, transaction
from django.http.response import HttpResponseBase, StreamingHttpResponse
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver

from tests.people.permission_cast import PEOPLE, Cast
from tests.people.permission_rules import (
    RULES,
    Rule,
)

ANSWERS = {200, 201, 204, 301, 302, 304, 400, 409, 415, 422, 503}
# Only their makers and owners of the studio know of these, if they are private.
PRIVATE = {
    "task", "picture", "board", "dataset", "image", "removed", "operation", "change", "snapshot", "dataset_job",
    "training", "checkpoint", "reading", "edit", "atlas", "translation",
}  # fmt: skip


WRITES = re.compile(r"^\s*(?:INSERT INTO|UPDATE|DELETE FROM)(\s+)\"?(\w+)", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """An address of the studio: its name (its route, if it has none) and its route."""

    name: str
    route: str


def addresses(patterns: list[URLPattern | URLResolver], prefix: str = "", space: str = "") -> Iterator[Address]:
    """All of them, as the resolver knows them."""
    for each in patterns:
        route = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from addresses(each.url_patterns, route, f"{space}{each.namespace}:" if each.namespace else space)
        else:
            yield Address(space + each.name if each.name else route, route)


def of_studio(*, admin: bool) -> list[Address]:
    """Those of the admin, or all others."""
    return [each for each in addresses(get_resolver().url_patterns) if each.route.startswith("admin/") == admin]


@pytest.fixture
def cast(db: None) -> Iterator[Cast]:
    """The people and what was made."""
    with transaction.atomic():
        yield Cast()
        transaction.set_rollback(True)


def path_to(cast: Cast, address: Address, rule: Rule) -> str:
    """The address of the thing that the rule is about."""
    thing = getattr(cast, rule.about) if rule.about else None
    dataset = address.route.startswith("datasets/")
    facts = {
        "pk": getattr(thing, "pk", 0),
        "slug": cast.dataset.slug if dataset else cast.style.slug,
        "number": 1,
        "row": cast.list_row.pk,
        "language": "en",
        "ending": "csv",
        "part": 1,
        "change": cast.change.pk,
        "purpose": "sheet",
        "choice": "none",
        "action": "restore",
        "key": "abc",
        "name": "artists/gallery",
        "token": "token",
        "recipe": cast.blending.recipe.name,
        "asked": "own_image",
    }
    return "/" + re.sub(r"<\w+:(\w+)>", lambda found: str(facts[found[1]]), address.route)


def asked(cast: Cast, who: str, method: str, path: str, data: dict[str, str] | None = None) -> str:
    """One letter for what this person gets, ! for a look that wrote something. Nothing of it stays."""
    client = cast.browsers[who]
    cookies = SimpleCookie(client.cookies)
    with transaction.atomic(), CaptureQueriesContext(connection) as queries:
        answer: HttpResponseBase = client.get(path) if method == "GET" else client.post(path, data or {})
        if isinstance(answer, StreamingHttpResponse):
            list(answer)  # so its files are closed
        transaction.set_rollback(True)
    client.cookies = cookies
    written = {found[2] for query in queries if (found := WRITES.match(query["sql"]))}
    return "!" if method == "GET" and written - {"django_session"} else letter(answer)


def letter(answer: HttpResponseBase) -> str:
    """See the top of the table."""
    leads = answer.headers.get("Location", "")
    if answer.status_code == 302 and leads.startswith("/sign-in/?"):
        return "i"
    if answer.status_code == 302 and leads.startswith("/admin/login/"):
        return "l"
    if answer.status_code in ANSWERS:
        return "y"
    return {403: "n", 404: "0", 405: "."}.get(answer.status_code, f"[{answer.status_code}]")


def filled(cast: Cast, rule: Rule) -> dict[str, str]:
    """The fields that are sent, with what they name."""
    names = {"dataset": cast.dataset.slug, "base": str(cast.base.pk), "picture": str(cast.picture.pk)}
    return {name: value.format(**names) for name, value in rule.data.items()}


def private(letters: str) -> str:
    """What is left of an answer if its thing is private: members and curators do not learn that it is there."""
    return "".join(
        "0" if who in {"member", "curator"} and given != "." else given
        for who, given in zip(PEOPLE, letters, strict=True)
    )


def test_every_address_has_a_rule_and_every_rule_an_address() -> None:
    assert {each.name for each in of_studio(admin=False)} == RULES.keys()


def refused(letters: str) -> list[str]:
    """Everybody who is refused, and one of those for whom there is no such method."""
    methods = [who for who, letter in zip(PEOPLE, letters, strict=True) if letter == "."]
    return [who for who, letter in zip(PEOPLE, letters, strict=True) if letter in "iln0" or who in methods[:1]]


def hidden_from(letters: str) -> list[str]:
    """Those for whom it is not there."""
    return [who for who, letter in zip(PEOPLE, letters, strict=True) if letter == "0"]


def wrong_answers(
    cast: Cast, address: Address, rule: Rule, path: str, people: Callable[[str], Sequence[str]], *, secret: bool
) -> dict[str, tuple[str, str]]:
    """What is answered and what the rule says, where the two differ."""
    wrong = {}
    for method, letters in (("GET", rule.look), ("POST", rule.act)):
        letters = private(letters) if secret else letters
        asking = people(letters)
        found = "".join(asked(cast, who, method, path, filled(cast, rule)) for who in asking)
        expected = "".join(letters[PEOPLE.index(who)] for who in asking)
        if found != expected:
            wrong[f"{method} {address.name}"] = (found, expected)
    return wrong


def check_studio(cast: Cast, people: Callable[[str], Sequence[str]], *, secret: bool) -> None:
    """Ask everything that is not the admin's."""
    if secret:
        cast.make_private()
    wrong: dict[str, tuple[str, str]] = {}
    for address in of_studio(admin=False):
        rule = RULES[address.name]
        if not secret or rule.about in PRIVATE:
            wrong |= wrong_answers(cast, address, rule, path_to(cast, address, rule), people, secret=secret)
    assert wrong == {}


@pytest.mark.parametrize("secret", [False, True], ids=["team", "private"])
def test_nobody_gets_what_the_rules_refuse(cast: Cast, secret: bool) -> None:
    # Of what is private it is asked whether it is there: the rest is asked of what everybody may see.
    check_studio(cast, hidden_from if secret else refused, secret=secret)


@pytest.mark.heavy
@pytest.mark.parametrize("secret", [False, True], ids=["team", "private"])
def test_all_five_people_get_what_the_rules_say_and_looking_changes_nothing(cast: Cast, secret: bool) -> None:
    check_studio(cast, lambda letters: PEOPLE, secret=secret)


# --- The admin

CURATE, OWN_IT, CLOSED = "illyy", "illny", "illnn"
# By model: the thing of the Cast, and who may add, change and delete; the last letters are for sending a change.
EDITED = (CURATE, CURATE, CURATE, CURATE)
LOOKED_AT = (CLOSED, CURATE, CLOSED, CLOSED)
CHANGED = (CLOSED, CURATE, CLOSED, CURATE)
THROWN_AWAY = (CLOSED, CURATE, CURATE, CURATE)
NOT_MADE = (CLOSED, OWN_IT, OWN_IT, OWN_IT)
OWNERS = (OWN_IT, OWN_IT, OWN_IT, OWN_IT)
MODELS = {
    "auth_group": ("group", OWNERS),
    "auth_user": ("member", OWNERS),
    "styles_style": ("style", EDITED),
    "styles_styleversion": ("version", CHANGED),
    "engines_engine": ("engine", EDITED),
    "previews_probe": ("probe", EDITED),
    "keeping_board": ("board", NOT_MADE),
    "pictures_generationtask": ("task", LOOKED_AT),
    "pictures_engineprompt": ("prompt", LOOKED_AT),
    "pictures_generatedimage": ("picture", LOOKED_AT),
    "datasets_dataset": ("dataset", THROWN_AWAY),
    "datasets_datasetimage": ("image", CHANGED),
    "datasets_datasetsnapshot": ("snapshot", LOOKED_AT),
    "datasets_datasetjob": ("dataset_job", LOOKED_AT),
    "runs_trainingjob": ("training", LOOKED_AT),
    "runs_checkpoint": ("checkpoint", LOOKED_AT),
}
ADMIN: dict[str, Rule] = {
    "admin:index": Rule("lllyy", "lllyy"),
    "admin:app_list": Rule("lllyy", "lllyy"),
    "admin:login": Rule("iiiii", "iiiii"),  # ours is the only one
    "admin:logout": Rule("lyy..", "lyyyy"),
    "admin:password_change": Rule("lyyyy", "lyyyy"),  # leads to one's own account
    "admin:password_change_done": Rule("lllyy", "lll.."),
    "admin:autocomplete": Rule("lllnn", "lll.."),
    "admin:jsi18n": Rule("lllyy", "lll.."),
    "admin:view_on_site": Rule("lll00", "lll00"),
    "admin:auth_user_password_change": Rule(OWN_IT, OWN_IT, "member"),
    "admin/(?P<url>.*)$": Rule("lll00", "lll00"),
}


def admin_rules() -> dict[str, Rule]:
    """The rules of the models, one for each of their pages, and the others."""
    rules = dict(ADMIN)
    for model, (about, (add, change, delete, send)) in MODELS.items():
        seen = OWN_IT if change == OWN_IT else CURATE
        for part, look, act in (
            ("changelist", seen, seen), ("add", add, add), ("history", seen, seen), ("delete", delete, delete),
            ("change", change, send),
        ):  # fmt: skip
            rules[f"admin:{model}_{part}"] = Rule(look, act, about)
        app, _underscore, name = model.partition("_")
        rules[f"admin/{app}/{name}/<path:object_id>/"] = Rule(CURATE, CURATE, about)  # leads to the change
    return rules


def path_in_admin(cast: Cast, address: Address, rule: Rule) -> str:
    """Its address, with the number of the thing that the rule is about."""
    thing = cast.users["member"] if rule.about == "member" else getattr(cast, rule.about) if rule.about else None
    route = re.sub(r"\^\(\?P<app_label>[^)]*\)/\$", "styles/", address.route).replace("(?P<url>.*)$", "nonsense")
    return "/" + re.sub(r"<[^>]*>", str(getattr(thing, "pk", 1)), route)


def check_admin(cast: Cast, people: Callable[[str], Sequence[str]]) -> None:
    """Ask everything that is the admin's."""
    rules = admin_rules()
    wrong: dict[str, tuple[str, str]] = {}
    for address in of_studio(admin=True):
        rule = rules[address.name]
        wrong |= wrong_answers(cast, address, rule, path_in_admin(cast, address, rule), people, secret=False)
    assert wrong == {}


def test_every_address_of_the_admin_has_a_rule() -> None:
    assert {each.name for each in of_studio(admin=True)} == admin_rules().keys()


def test_what_the_admin_refuses_curators_it_refuses(cast: Cast) -> None:
    check_admin(cast, lambda letters: ["curator"] if letters[PEOPLE.index("curator")] == "n" else [])


@pytest.mark.heavy
def test_all_five_people_get_in_the_admin_what_the_rules_say(cast: Cast) -> None:
    check_admin(cast, lambda letters: PEOPLE)
