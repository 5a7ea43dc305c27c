r"""From result tables to figures, tables and one offline report. Needs polars, altair and jinja2; no torch, no jax.

In a notebook:

    from pid_lvlm.analysis import figures, findings, read_results, tables

    results = read_results("results.parquet")
    print("\n".join(findings(results)))
    figures.spectrum(results)

Names are imported on first use: `import pid_lvlm.analysis` loads neither polars nor altair. `__init__.pyi` lists them.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
