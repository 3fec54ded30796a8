"""Training a style: datasets, the runs that train on them, and the trainers that do it.

Uses `generation`, `styles` and the kernel. Each room may use those before it: `datasets`, `runs`, `trainers`. Begin
with `datasets.models` and `runs.models`.
"""
