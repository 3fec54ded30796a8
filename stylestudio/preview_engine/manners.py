"""How each generation of ComfyUI behaves, apart from its node classes.

Measured on ComfyUI 0.33.0 (August 2026), 0.8.0 (January 2026) and 0.3.64 (October 2025), on the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PACKAGES = ("comfyui-frontend-package", "comfyui-workflow-templates", "comfyui-embedded-docs")


@dataclass(frozen=True, slots=True)
class Manners:
    """What differs between generations.

    `throttled`: steps are reported only now and then, see `pace`. Since 0.9.2.
    `canonical_ids`: a prompt_id that is not a UUID in canonical lower-case form is rejected. Since 0.25.0.
    `names_missing_types`: an unknown class is reported as missing_node_type with its title. Since 0.12.0.
    `finds_cycles`: a cycle of links is reported with a reason of its own.
    `cancel_route`: POST /api/jobs/{id}/cancel ends a prompt, whatever its state. Since 0.26.0.
    `cancelled_status`: /api/jobs distinguishes cancelled from failed prompts. Since 0.9.0.
    `jobs`: /api/jobs exists at all.
    `replaces`: class types that the engine no longer has are rewritten, see `replacements`. Since 0.14.0.
    `previews_on_request`: only a prompt that requests previews gets them, which is ComfyUI's own default.
    `keeps_sites_out`: a request that the browser marks as cross-site is rejected. Since 0.19.0.
    `careful_views`: /view forbids sniffing and sends what a browser might run as an attachment.
    `real_paths`: targets of symbolic links outside a folder count as outside, for LoadImage and for saving.
    `system` holds further fields of /system_stats, `features` those of /features and of the handshake.
    """

    throttled: bool = False
    canonical_ids: bool = False
    names_missing_types: bool = False
    finds_cycles: bool = False
    cancel_route: bool = False
    cancelled_status: bool = False
    jobs: bool = False
    replaces: bool = False
    previews_on_request: bool = False
    keeps_sites_out: bool = False
    careful_views: bool = False
    real_paths: bool = False
    system: Mapping[str, Any] = field(default_factory=dict)
    features: Mapping[str, bool] = field(default_factory=dict)


CURRENT = Manners(
    throttled=True,
    canonical_ids=True,
    names_missing_types=True,
    finds_cycles=True,
    cancel_route=True,
    cancelled_status=True,
    jobs=True,
    replaces=True,
    previews_on_request=True,
    keeps_sites_out=True,
    careful_views=True,
    real_paths=True,
    system={
        "comfy_package_versions": [{"name": name, "installed": "1.0.0", "required": "1.0.0"} for name in PACKAGES],
        "deploy_environment": "local-git",
    },
    features={"supports_model_type_tags": True, "node_replacements": True, "assets": False},
)
MANNERS: Mapping[str, Manners] = {"current": CURRENT, "new": Manners(jobs=True), "old": Manners()}
