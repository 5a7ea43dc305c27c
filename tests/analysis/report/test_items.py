"""The item browser of a report: which items, how many, and that the page stays what it is without it."""

import dataclasses
import html
import json
import re
import shutil
import subprocess
import sys

import polars as pl
import pytest

from pid_lvlm import data
from pid_lvlm.analysis import cli, items
from pid_lvlm.analysis.report.page import items as browser_module
from pid_lvlm.analysis.report.page.items import AT_ONCE, item_browser, render_browser
from pid_lvlm.data.contract.table.result_file import write_frame
from tests.analysis.items import KeptItem, item_rows, means, probabilities, reader, write_scores

NUMBER = 30
HOSTILE = "</script><script>alert(1)</script>\x1b" + "x" * 10_000
ATOMS = {
    "small": [(0.0, 0.0, 0.1 * number, 0.0) for number in range(NUMBER)],
    "large": [(0.0, 0.0, 0.0, 3.0 - 0.1 * number) for number in range(NUMBER)],
}


@pytest.fixture(autouse=True)
def kept(monkeypatch):
    """What every run folder keeps: questions that would like to be HTML."""
    items_kept = {f"q{number}": KeptItem(f"q{number}", HOSTILE, (HOSTILE, "b")) for number in range(NUMBER)}
    monkeypatch.setattr(data, "read_items", reader(items_kept), raising=False)


@pytest.fixture
def folder(make_exact, make_frame, tmp_path):
    """`results.parquet`, `items.parquet` and `runs`: two models, thirty items, of which the last ten are wrong."""
    place = {"layer": 1, "num_layers": 1, "accuracy": 20 / 30, "gap": 2e-5}
    rows, parts = [], []
    for model, atoms in ATOMS.items():
        labels = [0 if number < 20 else 1 for number in range(NUMBER)]
        write_scores(tmp_path / "runs", model, [probabilities([0.8, 0.2])] * NUMBER, labels)
        run = f"{model}__toy"
        rows.append(make_exact("toy", means(atoms), model=model, run=run, problem_id=model, **place))
        parts.append(item_rows(model, run, atoms))
    write_frame(tmp_path / "results.parquet", make_frame(rows))
    write_frame(tmp_path / "items.parquet", pl.concat(parts))
    return tmp_path


@pytest.fixture
def found(folder):
    frames = [pl.read_parquet(folder / name) for name in ("results.parquet", "items.parquet")]
    return items(*frames, [folder / "runs"])


@pytest.fixture
def report(folder, monkeypatch, capsys):
    """Run pid-report on the folder's result table: its exit code, its JSON object, its messages and its page."""

    def run(*options):
        arguments = ["pid-report", folder / "results.parquet", "--out", folder / "report", "--format", "svg", "--json"]
        monkeypatch.setattr(sys, "argv", [str(each) for each in (*arguments, *options)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        page = folder / "report" / "index.html"
        return end.value.code, json.loads(captured.out), captured.err, page.read_text() if page.exists() else ""

    return run


def ids(browser):
    return [re.search(r"<h3>(\S+)", str(card))[1] for card in browser.cards]


def test_rules_take_turns_and_the_page_says_how_many_of_how_many(found):
    browser = item_browser(found, 4)
    assert ids(browser) == ["q0", "q29", "q20", "q1"]  # most synergistic, language prior, wrong, most synergistic
    assert browser.said == "4 of 30 items of each dataset, as answered by 2 models."
    assert browser.rules == ["most synergistic", "strongest language prior", "wrong with high confidence"]
    page = str(render_browser(browser, found))
    assert browser.said in page
    assert "that no rule chose" not in page
    everything = item_browser(found, NUMBER)
    assert everything.others == ("that no rule chose" in str(render_browser(everything, found)))
    assert page.count("<article") == 4
    assert page.count('<section class="answer"') == 8


def test_by_default_all_are_there_and_the_page_has_room_for_so_many_only(found, monkeypatch):
    assert len(item_browser(found).cards) == NUMBER
    one = len(str(item_browser(found, 1).cards[0]).encode())
    monkeypatch.setattr(browser_module, "CARDS_BYTES", dataclasses.replace(browser_module.CARDS_BYTES, most=4 * one))
    few = item_browser(found)
    assert 3 <= len(few.cards) <= 4
    assert few.said.startswith(f"{len(few.cards)} of 30 items")
    assert len(item_browser(found, 20).cards) == 20  # what is asked for is given


def test_more_models_than_the_page_shows_are_counted(found, monkeypatch):
    monkeypatch.setattr(browser_module, "CARD_MODELS", dataclasses.replace(browser_module.CARD_MODELS, most=1))
    browser = item_browser(found, 2)
    assert browser.said == "2 of 30 items of each dataset, as answered by 1 model. The first 1 of 2 models."
    assert "<h4>small" not in "".join(browser.cards)


@pytest.mark.slow
def test_the_page_has_the_browser_if_it_is_asked_for(report, folder):
    code, without, _, plain = report()
    assert (code, without["items"]) == (0, None)
    assert "item-browser" not in plain
    code, result, err, page = report("--pointwise", folder / "items.parquet", "--runs", folder / "runs")
    assert (code, result["items"], "warning" in err) == (0, 2 * NUMBER, False)
    assert 'href="#items"' in page
    assert page.count("<article") == NUMBER
    assert "<script>alert" not in page
    assert "img-src data:" in page
    start, end = page.index("<style>\n.item"), page.index('<h2 id="paper-findings">')
    assert page[:start].rstrip() + page[end:].strip() != plain  # the entry in the contents
    assert plain.partition("<h2")[2].partition('<section aria-labelledby="paper-findings">')[0].rstrip() == (
        page[:start].partition("<h2")[2].rstrip()
    )
    assert len(page) - len(plain) < 300_000


def test_a_dry_run_checks_the_items_and_writes_nothing(report, folder):
    code, result, _, page = report("--pointwise", folder / "items.parquet", "--runs", folder / "runs", "--dry-run")
    assert (code, result["items"], page) == (0, 2 * NUMBER, "")


def test_what_is_missing_is_a_warning(report, folder):
    code, _, err, _ = report("--pointwise", folder / "items.parquet", "--dry-run")
    assert code == 0
    assert "warning: items: No run folder was found for 2 runs" in err


def test_what_is_missing_is_on_the_page(found):
    page = str(render_browser(item_browser(found, 1), dataclasses.replace(found, missing=("It was moved.",))))
    assert "<li>It was moved.</li>" in page


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--runs", "results.parquet"), "results.parquet` cannot be used"),
        (("--items", "3"), "--items: items are shown with their atoms"),
        (("--pointwise", "none.parquet"), "none.parquet`: no such file"),
        (("--pointwise", "results.parquet"), "is a result table; expected a table with a row per item"),
        (("--pointwise", "items.parquet", "--runs", "results.parquet"), "results.parquet` cannot be used"),
        (("--pointwise", "items.parquet", "--runs", "other/tiny__toy"), "its run `tiny__toy` is not one whose items"),
        (("--pointwise", "items.parquet", "--items", "0"), "--items"),
        (("--pointwise", "items.parquet", "--items", "1001"), "--items"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_code_2(report, folder, options, said):
    write_scores(folder / "other", "tiny", [probabilities([0.8, 0.2])] * 3, [0, 0, 0])
    paths = ("none.parquet", "results.parquet", "items.parquet", "runs", "other/tiny__toy")
    code, result, err, page = report(*(folder / each if each in paths else each for each in options))
    assert (code, page) == (2, "")
    assert said in result["error"]
    assert "Traceback" not in err


ASK = """<script>
const report = [];
const form = document.querySelector(".item-controls");
const visible = () => [...document.querySelectorAll("article:not([hidden])")];
const shown = () => visible().map((card) => card.querySelector("h3").firstChild.data.trim());
const answers = () => document.querySelectorAll("article:not([hidden]) .answer:not([hidden])").length;
function choose(name, value) {
  form.elements[name].value = value;
  form.elements[name].dispatchEvent(new Event("change", {bubbles: true}));
  report.push([name, value, shown(), answers()]);
}
report.push(["at first", form.hidden, shown(), answers()]);
document.getElementById("more-items").click();
report.push(["more", document.activeElement.tagName, shown(), answers()]);
choose("right", "wrong");
choose("model", "large");
choose("sort", "3");
choose("right", "");
choose("model", "");
choose("atom", "unique_language");
choose("sort", "2");
choose("rule", "wrong with high confidence");
choose("dataset", "toy");
const told = Object.assign(document.createElement("pre"), {id: "told", textContent: JSON.stringify(report)});
document.body.replaceChildren(told);
</script>"""


@pytest.mark.slow
def test_the_script_filters_sorts_and_unfolds(found, tmp_path):
    chromium = shutil.which("chromium") or pytest.skip("chromium is not installed: apt-get install chromium")
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><body>{render_browser(item_browser(found), found)}{ASK}")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", page.as_uri()]
    dumped = subprocess.run([chromium, *options], capture_output=True, text=True, timeout=120, check=True).stdout
    told = json.loads(html.unescape(re.search(r'<pre id="told">(.*?)</pre>', dumped, re.DOTALL)[1]))
    by = {(name, value): (names, number) for name, value, names, number in told}
    names, number = by["at first", False]
    assert (len(names), number) == (AT_ONCE, 2 * AT_ONCE)
    assert names == ids(item_browser(found))[:AT_ONCE]
    assert len(by["more", "H3"][0]) == 2 * AT_ONCE
    names, number = by["right", "wrong"]
    assert sorted(names) == [f"q{number}" for number in range(20, 30)]
    assert number == 20
    assert by["model", "large"][1] == 10
    assert by["sort", "3"][0] == [f"q{number}" for number in range(20, 30)]  # synergy falls with the number
    assert by["right", ""][0] == [f"q{number}" for number in range(AT_ONCE)]
    names, number = by["atom", "unique_language"]
    assert number == len(names)  # of the small model only
    assert by["sort", "2"][0] == [f"q{number}" for number in range(29, 29 - AT_ONCE, -1)]
    assert by["rule", "wrong with high confidence"][0]
    assert by["dataset", "toy"][0] == by["rule", "wrong with high confidence"][0]
