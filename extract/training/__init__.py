"""Train a small LLaVA from nothing, stage by stage, and keep checkpoints along the way.

`python -m pid_lvlm.extract.training --out data/demo` makes everything that the demo ships: items, dataset cards and the
checkpoints of every size. The modules are general: data in LLaVA's conversation JSON, stages as configuration.
"""
