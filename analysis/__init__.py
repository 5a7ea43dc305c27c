"""From the result table to figures, tables and one offline report. Needs polars, altair and jinja2; no torch, no jax.

In a notebook:

    from analysis import figures, tables
    from analysis.load import read_results

    results = read_results("results.parquet")
    figures.spectrum(results)
"""
