"""Run by the Python of the real sd-scripts: hands it our files and prints as JSON what its own code makes of them.

examine.py SD_SCRIPTS FOLDER CONFIG_FILE LAUNCH_OPTIONS...
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def examine(folder: str, first_step: int, launch: list[str]) -> dict[str, Any]:
    """What the launcher, the parser, the dataset loader, the optimizer and the scheduler say."""
    os.chdir(folder)
    import toml
    import torch
    from accelerate.commands.launch import launch_command_parser
    from library import config_util, strategy_base, strategy_sd, strategy_sdxl, train_util
    from library.config_util import BlueprintGenerator, ConfigSanitizer
    from sdxl_train_network import SdxlNetworkTrainer, setup_parser

    launched = launch_command_parser().parse_args(launch)
    parser = setup_parser()
    sys.argv = [launched.training_script, *launched.training_script_args]
    args = parser.parse_args()
    train_util.verify_command_line_training_args(args)
    args = train_util.read_config_from_file(args, parser)

    # What stands in the file is neither checked nor converted by sd-scripts.
    actions = {action.dest: action for action in parser._actions}
    told = toml.load(launched.training_script_args[-1])
    wrong = {}
    for name, value in told.items():
        action = actions.get(name)
        if action is None:
            wrong[name] = "unknown"
            continue
        for each in value if action.nargs in ("*", "+") else [value]:
            if action.choices is not None and each not in action.choices:
                wrong[name] = f"{each!r} is none of {action.choices}"
            elif action.nargs == 0 and not isinstance(each, bool):
                wrong[name] = f"{each!r} is no switch"
            elif action.type in (int, float, str) and action.type(each) != each:
                wrong[name] = f"{each!r} is no {action.type}"

    train_util.verify_training_args(args)
    train_util.prepare_dataset_args(args, True)
    strategy_base.LatentsCachingStrategy._strategy = None  # of the case before
    strategy_base.TextEncoderOutputsCachingStrategy._strategy = None
    strategy_base.LatentsCachingStrategy.set_strategy(strategy_sd.SdSdxlLatentsCachingStrategy(False, True, 1, False))
    if args.cache_text_encoder_outputs:
        strategy_base.TextEncoderOutputsCachingStrategy.set_strategy(
            strategy_sdxl.SdxlTextEncoderOutputsCachingStrategy(False, None, False)
        )
    blueprint = BlueprintGenerator(ConfigSanitizer(True, True, args.masked_loss, True)).generate(
        config_util.load_user_config(args.dataset_config), args
    )
    group, _validation = config_util.generate_dataset_group_by_blueprint(blueprint.dataset_group)
    SdxlNetworkTrainer().assert_extra_args(args, group, None)
    dataset = group.datasets[0]

    optimizer = None
    rates: list[float] = []
    if args.optimizer_type not in ("AdamW8bit", "Prodigy"):  # these need packages and a GPU
        name, _arguments, optimizer = train_util.get_optimizer(args, [torch.nn.Parameter(torch.zeros(1))])
    else:
        name, optimizer = (
            args.optimizer_type,
            torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], args.learning_rate),
        )
    scheduler = train_util.get_scheduler_fix(args, optimizer, 1)
    if first_step:
        scheduler.load_state_dict({**scheduler.state_dict(), "last_epoch": first_step, "_step_count": first_step + 1})
    for _step in range(args.max_train_steps):
        optimizer.step()
        scheduler.step()
        rates.append(scheduler.get_last_lr()[0])
    return {
        "wrong": wrong,
        "options": len(told),
        "unet_only": args.network_train_unet_only,
        "precision": launched.mixed_precision,
        "pictures": dataset.num_train_images,
        "batches": len(dataset),
        "captions": sorted({info.caption for info in dataset.image_data.values()}),
        "buckets": sorted(map(list, dataset.bucket_manager.resos)),
        "dropout": dataset.subsets[0].caption_dropout_rate,
        "cacheable": group.is_text_encoder_output_cacheable(),
        "optimizer": name,
        "rates": rates,
    }


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    found = {name: examine(*about) for name, *about in json.load(sys.stdin)}
    print("\n" + json.dumps(found))
