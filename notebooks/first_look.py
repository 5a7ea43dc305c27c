# %% [markdown]
# # A first look at a result table
#
# Open this file as a notebook (VS Code, or `jupytext --to ipynb`) or run it as a script. It reads the table that
# `make demo` leaves; set PID_RESULTS to look at another one.

# %%
import os

from pid_lvlm.analysis import figures, tables
from pid_lvlm.analysis.frames.load import read_results
from pid_lvlm.analysis.frames.reshape import atoms_long, finals
from pid_lvlm.analysis.report.findings import findings, warnings

results = read_results(os.environ.get("PID_RESULTS", "out/demo/results.parquet"))
results.select("model", "dataset", "layer", "stage", "step", "result")

# %% [markdown]
# What stands out, and what to be careful about.

# %%
print("\n".join(findings(results)))
print("\n".join(warnings(results)))

# %% [markdown]
# Four atoms in bits: final checkpoint, output layer.

# %%
spectrum = figures.spectrum(results)
spectrum

# %%
tables.summary(results)

# %% [markdown]
# Layer by layer and over training, for runs that recorded them.

# %%
layers = figures.layers(results)
layers

# %%
training = figures.training(results)
training

# %% [markdown]
# Your own question: the long form has one row per problem and atom. Which share of the answer is synergy?

# %%
share = atoms_long(finals(results)).filter(atom="synergy").select("series", "dataset", "share", "accuracy")
share.sort("share", descending=True)
