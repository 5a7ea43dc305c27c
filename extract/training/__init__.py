"""Train a small LLaVA from scratch, stage by stage, and keep checkpoints along the way.

`python -m pid_lvlm.extract.training --out data/demo` makes everything shipped with the demo: items, dataset cards and
the checkpoints of every size. The modules are general: data in LLaVA's conversation JSON, stages as configuration.
"""
