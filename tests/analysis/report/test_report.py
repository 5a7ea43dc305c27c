import json
import re
from html.parser import HTMLParser

import polars as pl
import pytest

from pid_lvlm.analysis.report.build import build_report
from pid_lvlm.analysis.report.folder import MARKER
from pid_lvlm.data.errors import OutputExistsError


class Page(HTMLParser):
    """Collects what a page would load, its text outside scripts, and its ids."""

    def __init__(self, html):
        super().__init__()
        self.loaded, self.links, self.ids, self.text, self._in = [], [], set(), "", []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self._in.append(tag)
        self.ids.add(attributes.get("id"))
        self.loaded += [attributes[name] for name in ("src", "srcset", "data", "poster") if name in attributes]
        (self.loaded if tag == "link" else self.links).extend(filter(None, [attributes.get("href")]))

    def handle_endtag(self, tag):
        self._in.pop() if tag in self._in else None

    def handle_data(self, data):
        if not {"script", "style"} & set(self._in[-1:]):
            self.text += data


@pytest.fixture
def build(tmp_path):
    """Build the report of a frame and return its folder and parsed page."""

    def make(frame, **options):
        table, out = tmp_path / "results.parquet", tmp_path / "report"
        frame.write_parquet(table)
        build_report([table], out, **({"title": "A report", "formats": ["svg"]} | options))
        return out, Page((out / "index.html").read_text())

    return make


def test_a_full_report_is_one_file_that_loads_nothing(build, five_tasks, layered, trained):
    models = {"layered": layered, "trained": trained}
    renamed = [
        frame.with_columns(model=pl.lit(name), run=pl.lit(name) + pl.col("run")) for name, frame in models.items()
    ]
    out, page = build(pl.concat([five_tasks, *renamed]), formats=["svg", "png"])
    assert all(source.startswith("data:") for source in page.loaded)
    assert not [link for link in page.links if "://" in link]
    html = (out / "index.html").read_text()
    assert "default-src 'none'" in html
    assert not re.search(r"@import|url\(\s*['\"]?http", html[: html.index("<body")])
    drawn = {path.stem.partition("-")[0] for path in (out / "figures").iterdir()}
    assert drawn >= {"layers", "spectrum", "training", "regimes", "image_removal"}
    sizes = ("one-column", "two-columns")
    assert sorted(path.name for path in (out / "figures").iterdir()) == sorted(
        f"{name}-{size}.{ending}" for name in drawn for size in sizes for ending in ("svg", "png")
    )
    assert {f"specification-{name}" for name in drawn} <= page.ids
    assert "not enough data" in page.text
    for linked in page.links:
        assert linked[1:] in page.ids if linked.startswith("#") else (out / linked).is_file()


def test_a_report_of_one_row_says_what_is_not_there(build, make_row, make_frame):
    out, page = build(make_frame([make_row("mmbench", model="llava-1.5-7b")]))
    assert "llava-1.5-7b on mmbench: a blend" in page.text
    assert "No run was measured at more than one layer" in page.text
    assert "No successful fit has a known ground truth" in page.text
    assert not (out / "figures" / "layers-one-column.svg").exists()


def test_failed_fits_are_counted_and_listed(build, make_row, make_frame):
    _, page = build(make_frame([make_row(), make_row("demo-sight", result="nonfinite_loss")]))
    assert "1 of 2 fits failed" in page.text
    assert "nonfinite_loss" in page.text


def test_a_report_of_failures_only_is_still_a_report(build, make_row, make_frame):
    _, page = build(make_frame([make_row(result="nonfinite_loss")]))
    assert "No fit succeeded at the final layer" in page.text


@pytest.mark.slow
def test_models_that_lack_datasets(build, make_row, make_frame):
    rows = [make_row("mmbench", model="a"), make_row("pope", model="b"), make_row("pope", model="a")]
    _, page = build(make_frame(rows))
    assert page.text.count("b on pope") == 1


@pytest.mark.slow
def test_circular_accuracy_is_shown_where_a_benchmark_has_rotations(build, make_row, make_frame):
    _, page = build(make_frame([make_row("mmbench", model="a", accuracy_circular=0.625), make_row("pope", model="a")]))
    assert "circular accuracy" in page.text
    assert "62.5 %" in page.text
    _, page = build(make_frame([make_row("pope", model="a")]))
    assert "circular accuracy" not in page.text


def test_where_the_numbers_come_from(build, five_tasks):
    _, page = build(five_tasks)
    for piece in ("results.parquet, sha256", "0, 1, 2", "1125", "375", "jax 0.10.0", "cpu", "learning_rate", "polars"):
        assert piece in page.text


def test_names_are_text_and_never_markup(build, make_row, make_frame):
    out, page = build(make_frame([make_row("mmbench", model="<b>x</script>")]))
    assert "<b>x</script> on mmbench" in page.text
    assert "<b>x" not in (out / "index.html").read_text()


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes(build, five_tasks):
    first = {path: path.read_bytes() for path in build(five_tasks)[0].rglob("*.*") if path.is_file()}
    build(five_tasks)
    assert all(path.read_bytes() == content for path, content in first.items())


@pytest.mark.slow
def test_an_earlier_report_is_replaced_and_other_files_stay(build, five_tasks, layered):
    out, _ = build(layered)
    (out / "notes.txt").write_text("mine")
    build(five_tasks)
    assert not (out / "figures" / "layers-one-column.svg").exists()
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.slow
def test_a_tampered_marker_removes_nothing_outside(build, five_tasks, tmp_path):
    out, _ = build(five_tasks)
    outside = tmp_path / "precious.txt"
    outside.write_text("mine")
    (out / MARKER).write_text('{"files": ["../precious.txt", 7]}')
    build(five_tasks)
    assert outside.read_text() == "mine"


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path, five_tasks):
    table, out = tmp_path / "results.parquet", tmp_path / "thesis"
    five_tasks.write_parquet(table)
    out.mkdir()
    (out / "chapter.tex").write_text("mine")
    with pytest.raises(OutputExistsError, match="is not an earlier report"):
        build_report([table], out, title="x", formats=["svg"])
    assert [path.name for path in out.iterdir()] == ["chapter.tex"]
    with pytest.raises(OutputExistsError, match="is a file"):
        build_report([table], table, title="x", formats=["svg"])


def test_diagnostics_are_one_row_per_reason_on_the_page_and_fit_by_fit_in_their_file(build, make_row, make_frame):
    rows = [make_row(layer=layer, num_layers=300, uniform_both=0.9) for layer in range(1, 301)]
    out, page = build(make_frame(rows))
    assert pl.read_csv(out / "tables" / "diagnostics.csv").height == 300
    assert page.text.count("fell back to uniform") == 1
    said = "1 of 300 fits has a value beyond a diagnostic limit, at the output layer of a final checkpoint"
    assert f"{said}: see Diagnostics" in page.text


def test_a_report_of_two_estimators_shows_one_and_compares_both(build, both_estimators):
    out, page = build(both_estimators)
    assert "95 % interval over items" in page.text
    assert "sd over seeds" not in page.text
    table = pl.read_csv(out / "tables" / "batch_and_exact.csv")
    assert (table.height, table["excess"].unique().to_list()) == (5, [0.02])
    assert pl.read_csv(out / "tables" / "summary.csv")["estimator"].unique().to_list() == ["exact"]
    assert pl.read_csv(out / "tables" / "ground_truth.csv").height == 40
    _, page = build(both_estimators, estimator="batch")
    assert "95 % interval of the mean over seeds" in page.text
    assert "95 % interval over items" not in page.text
    assert pl.read_csv(out / "tables" / "summary.csv")["estimator"].unique().to_list() == ["batch"]


@pytest.mark.slow
def test_losses_and_onsets_are_on_the_page_with_what_they_show(build, trained, tmp_path):
    row = {"stage": "align", "step": 400, "loss": 2.5, "held_out_loss": 2.75}
    (tmp_path / "losses.jsonl").write_text(json.dumps(row) + "\n")
    out, page = build(trained, losses=[f"demo-llava-small={tmp_path}/losses.jsonl"])
    assert "the models' training loss in nats" in page.text
    assert "--losses adds it" not in page.text
    assert "losses.jsonl, sha256 " in page.text
    assert "Intervals of neighbouring checkpoints are not paired" in page.text
    assert (out / "tables" / "onset.csv").is_file()
