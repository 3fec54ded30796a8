"""Whom each address of the studio answers."""

from __future__ import annotations

from dataclasses import dataclass, field

# What each of PEOPLE gets: y an answer, i the way to sign in, l the admin's, n "not allowed", 0 "not there",
# . "no such method".
EVERYBODY, TEAM, CURATORS, MAKERS, OWN = "yyyyy", "iyyyy", "innyy", "inyyy", "i0y00"
ITS_OWNER = "inyny"  # and owners of the studio, but no other curators
NO, NOBODY = "i....", "....."


@dataclass(frozen=True)
class Rule:
    """Whom an address answers: `look` to GET, `act` to POST with `data`. `about` names a thing of the Cast."""

    look: str
    act: str
    about: str = ""
    data: dict[str, str] = field(default_factory=dict)


def page(about: str = "", look: str = TEAM) -> Rule:
    """Something to look at."""
    return Rule(look, NO, about)


def action(act: str, about: str = "", **data: str) -> Rule:
    """Something to press."""
    return Rule(NO, act, about, data)


def form(who: str, about: str = "", **data: str) -> Rule:
    """A page with a form that is sent to the same address."""
    return Rule(who, who, about, data)


RULES: dict[str, Rule] = {
    "generation:studio": page(),
    "shortcuts": page(),
    "help": page(),
    "help-chapter": page(),
    "generation:generate": action(TEAM),
    "generation:dropped": page(),
    "generation:read-picture": form(TEAM),  # of no file
    "generation:start-from": action(TEAM),  # of no file
    "generation:compose": action(TEAM),
    "generation:other-styles": page(),
    "generation:save-preset": action(TEAM),
    "generation:reference": action(TEAM),
    "generation:asked-picture": action(TEAM),
    "generation:asked-from": action(TEAM, "picture"),
    "generation:control": action(TEAM),
    "generation:control-picture": page(),  # of a ticket, which only its person has
    "generation:control-reading": page(),  # likewise
    "generation:reference-from": action(TEAM, "picture"),
    "generation:draft": action(TEAM),
    "generation:draft-clear": action(TEAM),
    "generation:draft-restore": action(TEAM),
    "generation:prompts": page(),
    "generation:prompt-words": page(),
    "generation:live": page(),
    "generation:clear": action(TEAM),
    "generation:cancel-waiting": action(TEAM),
    "generation:job": page("task"),
    "generation:job-card": page("task"),
    "generation:cancel": action(MAKERS, "task"),
    "generation:move-to-front": action(CURATORS, "task"),
    "generation:retry": action(MAKERS, "task"),
    "generation:retry-smaller": action(MAKERS, "task"),
    "generation:fetch-again": action(MAKERS, "task"),
    "generation:engine-pause": action(CURATORS, "engine"),
    "generation:engine-resume": action(CURATORS, "engine"),
    "generation:engine-ask": action(CURATORS, "engine"),
    "generation:engine-history": form(CURATORS, "engine"),
    "generation:list-translate": action(MAKERS, "list_draft"),
    "generation:translation": page("translation", "i0y0y"),
    "generation:translation-cancel": action("i0y0y", "translation"),
    "generation:takeovers": Rule(CURATORS, "innny"),  # a folder is on the disk of the studio's machine
    "generation:takeover": page("takeover", CURATORS),
    "generation:takeover-on": action("innny", "takeover"),
    "generation:takeover-cancel": action(CURATORS, "takeover"),
    "generation:takeover-remove": action(CURATORS, "takeover"),
    "generation:takeover-restore": action(CURATORS, "takeover"),
    "generation:found-loras": form(CURATORS),
    "generation:version-engines": page("style"),
    "generation:gallery": page(),
    "generation:gallery-page": page(),
    "generation:gallery-counts": page(),
    "generation:gallery-news": page(),
    "generation:save-filter": action(TEAM, query="q=hen", name="Hens"),
    "generation:rename-filter": action(OWN, "saved_filter", name="Birds"),
    "generation:delete-filter": action(OWN, "saved_filter"),
    "generation:tile-acts": page(),
    "generation:compare": page(look="i0000"),  # of no pictures
    "generation:selection": action(TEAM),  # of nothing
    "generation:selection-bar": page(),
    "generation:selection-all": page(),
    "generation:selection-gone": action(TEAM, pictures="{picture}"),
    "generation:selection-name": page(),
    "generation:atlas": page("atlas"),
    "generation:atlas-zip": page("atlas", "i0000"),  # of no file
    **{f"generation:atlas-{name}": action(MAKERS, "atlas") for name in ("cancel", "retry")},
    "generation:bulk-job": page("bulk_job"),
    **{f"generation:bulk-{name}": action(MAKERS, "bulk_job") for name in ("cancel", "undo", "on")},
    "generation:bulk-zip": page("bulk_job", "iny00"),  # the link is its maker's
    "generation:variations": action(TEAM, "picture"),
    "generation:seamless": action(TEAM, "picture"),
    "generation:job-variations": action(TEAM, "task"),
    "generation:picture": page("picture"),
    "generation:edit": form(TEAM, "picture"),
    "generation:edit-compose": action(TEAM, "picture"),
    "generation:job-mask": page("edit"),
    "generation:picture-download": page("picture"),
    "generation:picture-delete": action(MAKERS, "picture"),
    "generation:picture-restore": action(MAKERS, "picture"),
    "generation:picture-cover": action(CURATORS, "picture", style="{base}"),
    "generation:trash": page(),
    "generation:trash-others": page(),
    "generation:trash-orders": page(),
    "generation:trash-restore": action(TEAM),
    "generation:trash-delete": action(TEAM),
    "generation:trash-all": form(TEAM),
    "generation:trash-cancel": action("i0y0y", "trash_order"),
    "generation:mark": action(TEAM, "picture", stars="3"),
    "generation:marks": page(),
    "generation:recipes": page(look=CURATORS),
    "generation:accelerator": action("inny0", "lora_import"),  # of a style
    "generation:recipe-add": form(CURATORS),  # of no file
    "generation:recipe": form(CURATORS, "own_draft"),
    "generation:recipe-publish": action(CURATORS, "own_draft"),
    "generation:recipe-archive": action(CURATORS, "own_draft"),
    "generation:recipe-renew": action(CURATORS, "own_draft"),
    "generation:recipe-discard": action(CURATORS, "own_draft"),
    "generation:recipe-export": page("own_draft", CURATORS),
    "generation:boards": page(),
    "generation:board-new": form(TEAM),
    "generation:board-choose": Rule("i0000", "i0000"),  # of no picture
    "generation:board": page("board"),
    "generation:board-edit": form(ITS_OWNER, "board"),
    "generation:board-delete": action(ITS_OWNER, "board"),
    "generation:board-restore": action(ITS_OWNER, "board"),
    "generation:board-remove": action(TEAM, "board", picture="{picture}"),
    "generation:board-put-back": Rule(NO, "i0000", "board"),  # at no position
    "generation:board-arrange": action(ITS_OWNER, "board", cover="{picture}"),
    "generation:finished": page("picture"),
    "generation:finished-part": page("picture"),
    "generation:export-presets": page(),
    "generation:export-preset-new": action(CURATORS, like="icon"),
    "generation:export-preset": form(CURATORS, "export_preset"),
    "generation:export-preset-delete": action(CURATORS, "export_preset"),
    **{f"generation:{name}": page() for name in ("lists", "list-example", "word-lists")},
    **{f"generation:{name}": form(TEAM) for name in ("list-new", "list-grid")},  # of nothing
    "generation:word-list-new": form(CURATORS),
    "generation:word-list": form(CURATORS, "word_list"),
    "generation:word-list-delete": action(CURATORS, "word_list"),
    **{f"generation:{name}": page("order_list") for name in ("list", "list-results")},
    "generation:list-sheet": page("order_list", "i0000"),  # of no picture
    "generation:list-act": action(TEAM, "order_list", upto="1"),
    "generation:list-zip": form(TEAM, "order_list"),
    "generation:list-draw": action(TEAM, "order_list"),
    "generation:list-drawn": page("list_drawn"),
    "generation:list-drawn-cancel": action(MAKERS, "list_drawn"),
    **{f"generation:list-{name}": action(ITS_OWNER, "order_list") for name in ("delete", "restore")},
    **{f"generation:{name}": form(MAKERS, "order_list") for name in ("list-settings", "list-row")},
    **{f"generation:list-{name}": action(MAKERS, "order_list") for name in ("retry", "pause", "cancel")},
    **{f"generation:list-{name}": action(MAKERS, "list_draft") for name in ("order", "columns", "rows")},
    "generation:version-faces": page("version"),
    "generation:face": page("version"),
    "generation:face-ask": action(CURATORS, "version"),
    "generation:strength": action(CURATORS, "version"),
    "generation:safe-range": action(CURATORS, "version"),
    "styles:styles": page(),
    "styles:new": form(CURATORS),
    "styles:importer": form(CURATORS),
    "styles:import-forms": page(look=CURATORS),
    "styles:import": form("inny0", "lora_import"),
    "styles:import-discard": action("inny0", "lora_import"),
    "styles:style": page("style"),
    "styles:edit": form(CURATORS, "style"),
    "styles:delete": action(CURATORS, "style"),
    "styles:restore": action(CURATORS, "style"),
    "styles:preset": form(MAKERS, "preset"),
    "styles:preset-delete": action(MAKERS, "preset"),
    "styles:download": page("style"),
    "styles:card": page("style"),
    "styles:publish": action(CURATORS, "style"),
    "styles:respell": action(CURATORS, "style"),
    "styles:archive": action(CURATORS, "style"),
    "styles:purge": action(CURATORS, "style"),
    "training:shown": page("image"),
    "training:add": action(MAKERS, "dataset"),
    "training:export": page("dataset"),
    "training:readings": page("dataset"),
    "training:reading-choose": action(MAKERS, "reading", choice="none"),
    "training:reading-back": action(MAKERS, "reading"),
    "training:reading-settle": action(MAKERS, "reading"),
    "training:add-picture": action(MAKERS, "picture", into="{dataset}"),
    "training:choose": form(MAKERS, "dataset"),
    "training:image": page("image"),
    "training:caption": action(MAKERS, "image"),
    "training:include": action(MAKERS, "image", included="0"),
    "training:rate": action(MAKERS, "image", rating="3"),
    "training:image-remove": action(MAKERS, "image"),
    "training:image-restore": action(MAKERS, "removed"),
    "training:proposal": action(MAKERS, "image"),
    "training:put-back": action(MAKERS, "image"),
    "training:captions": page("dataset"),
    "training:bulk": form(MAKERS, "dataset"),
    "training:bulk-preview": action(MAKERS, "dataset"),
    "training:undo": action(MAKERS, "operation"),
    "training:tags": page("dataset"),
    "training:proposals": page("dataset"),
    "training:proposals-answer": action(MAKERS, "dataset"),
    "training:propose": form(MAKERS, "dataset"),
    "training:cut-out": form(MAKERS, "dataset"),
    "training:cut-outs-undo": action(MAKERS, "dataset_job"),
    "training:put-original-back": action(MAKERS, "image"),
    "training:crop": action(MAKERS, "image"),
    "training:health": page("dataset"),
    "training:health-report": page("dataset"),
    "training:ground": action(MAKERS, "dataset"),
    "training:health-check": action(MAKERS, "dataset"),
    "training:health-fix": action(MAKERS, "dataset"),
    "training:health-undo": action(MAKERS, "dataset"),
    "training:crops": page("dataset"),
    "training:datasets": page(),
    "training:new": form(TEAM),
    "training:job": page("dataset_job"),
    "training:job-cancel": action(MAKERS, "dataset_job"),
    "training:job-clear": action(MAKERS, "dataset_job"),
    "training:dataset": page("dataset"),
    "training:edit": form(MAKERS, "dataset"),
    "training:delete": action(MAKERS, "dataset"),
    "training:restore": action(MAKERS, "dataset"),
    "training:versions": page("dataset"),
    "training:freeze": action(MAKERS, "dataset"),
    "training:snapshot": page("snapshot"),
    "training:snapshot-restore": action(MAKERS, "snapshot"),
    "training:trainings": page(),
    "training:new-run": form(TEAM),
    "training:plan": action(TEAM),
    "training:run": page("training"),
    "training:run-config": page("training"),
    "training:run-log": page("training"),
    "training:run-epochs": Rule(TEAM, MAKERS, "training"),
    "training:run-export": page("training"),
    "training:run-stop": action(MAKERS, "training"),
    "training:run-resume": action(MAKERS, "training"),
    "training:run-sample": action(MAKERS, "training"),
    "training:checkpoint": page("checkpoint"),
    "training:checkpoint-use": action(MAKERS, "checkpoint"),
    "training:checkpoint-star": action(MAKERS, "checkpoint"),
    "training:checkpoint-delete": action(MAKERS, "checkpoint"),
    "queue": page(),
    "health": Rule(EVERYBODY, NOBODY),
    "favicon.ico": Rule(EVERYBODY, NOBODY),
    "first-run": Rule(EVERYBODY, EVERYBODY),  # there are accounts, so it leads to the sign-in
    "sign-in": Rule(EVERYBODY, EVERYBODY),
    "sign-out": Rule(NOBODY, "yyyyy"),
    "account": page(),
    "account-password": action(TEAM),
    "account-theme": action(TEAM),
    "account-language": form(TEAM),
    "upload-start": action(MAKERS, purpose="dataset", into="{dataset}", name="set.zip", size="9", fingerprint="f"),
    "upload-parts": Rule(OWN, NO, "upload"),
    "upload-finish": action(OWN, "upload", into="{dataset}"),
}
