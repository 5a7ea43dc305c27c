"""From the result table to figures, tables and one offline report. Needs polars, altair and jinja2; no torch, no jax.

In a notebook:

    from pid_lvlm.analysis import figures, read_results, tables

    results = read_results("results.parquet")
    figures.spectrum(results)
"""
