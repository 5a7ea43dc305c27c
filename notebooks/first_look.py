# %% [markdown]
# # A first look at a result table
#
# Open this file as a notebook (VS Code, or `jupytext --to ipynb`) or run it as a script. It reads the table that
# `make demo` writes; set PID_RESULTS to read another one.

# %%
import os

from pid_lvlm.analysis import atoms_long, figures, finals, findings, read_results, tables, warnings

results = read_results(os.environ.get("PID_RESULTS", "out/demo/results.parquet"))
results.select("model", "dataset", "layer", "stage", "step", "result")

# %% [markdown]
# What stands out, and which numbers need care.

# %%
print("\n".join(findings(results)))
print("\n".join(warnings(results)))

# %% [markdown]
# The four atoms in bits: final checkpoint, output layer.

# %%
spectrum = figures.spectrum(results)
spectrum

# %%
tables.summary(results)

# %% [markdown]
# Layer by layer and over training, if the table has them.

# %%
layers = figures.layers(results)
layers

# %%
training = figures.training(results)
training

# %% [markdown]
# Your own question: the long form has one row per problem and atom. What share of the information is synergy?

# %%
share = atoms_long(finals(results)).filter(atom="synergy").select("series", "dataset", "share", "accuracy")
share.sort("share", descending=True)
