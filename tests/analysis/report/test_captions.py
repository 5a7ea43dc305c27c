import polars as pl
import pytest

from pid_lvlm.analysis.frames.losses import LOSS_SCHEMA
from pid_lvlm.analysis.report import compose, contents
from pid_lvlm.analysis.report.words.captions import interval_caption, summary_caption
from pid_lvlm.data.names import ATOMS

CERTIFIED = "Certified: each value is within 0.0006 bits of the optimum for these items."
SEEDS = "Thin line: 95 % interval of the mean over seeds, if there are several. Values below 0 are estimation error."


@pytest.mark.parametrize("interval", ["seeds", None])
def test_older_tables_have_intervals_over_seeds(make_row, make_frame, interval):
    assert interval_caption(make_frame([make_row(interval=interval)]), "exact", "Thin line") == SEEDS


def test_intervals_over_items_say_what_is_at_their_centre(both_estimators):
    caption = interval_caption(both_estimators, "exact", "Thin line", centre="Dot")
    assert caption.startswith(
        "Thin line: 95 % interval over items, for infinitely many of them. Its centre is corrected"
    )
    assert caption.endswith(f"Dot: the corrected value. {CERTIFIED}")
    assert interval_caption(both_estimators, "batch", "Thin line", centre="Dot") == SEEDS


def test_intervals_without_correction(make_exact, make_frame):
    caption = interval_caption(make_frame([make_exact(interval="items-uncorrected")]), "exact", "Band")
    assert caption == (f"Band: 95 % interval over items, not corrected for finite-sample bias. {CERTIFIED}")


def test_two_kinds_of_interval_are_told_apart(make_row, make_exact, make_frame):
    mixed = make_frame([make_exact(), make_row("demo-sight")])
    caption = interval_caption(mixed, "exact", "Thin line")
    assert caption.startswith("Thin line of “exact”: 95 % interval over items")
    assert " Of “batch”: 95 % interval of the mean over seeds" in caption
    assert "each value of “exact” is within" in caption
    assert "± standard deviation over seeds; in brackets the 95 % interval over items" in summary_caption(
        mixed, "exact"
    )
    assert "in brackets" not in summary_caption(mixed.filter(estimator="batch"), "exact")


def test_without_an_interval_nothing_is_said_of_one(make_exact, make_frame):
    ends = {f"{atom}_{end}": None for atom in ATOMS for end in ("low", "high")}
    assert interval_caption(make_frame([make_exact(**ends)]), "exact", "Band") == CERTIFIED


def test_the_caption_of_an_overlay_says_what_its_losses_are_or_how_to_add_them(trained, monkeypatch):
    overlay = next(part for part in contents.PARTS if part.name == "training_overlaid")
    monkeypatch.setattr(compose, "PARTS", (overlay,))
    monkeypatch.setattr(compose, "SIZES", ("screen",))
    row = {"model": "demo-llava-small", "stage": "align", "step": 400, "loss": 2.5, "held_out_loss": 2.75}
    (without,) = compose.compose(trained)
    (beside,) = compose.compose(trained, further=compose.Further(losses=pl.DataFrame([row], schema=LOSS_SCHEMA)))
    assert without.caption.endswith("does not contain the models' training loss; --losses adds it.")
    assert "--losses" not in beside.caption
    assert "the models' training loss in nats per answer token" in beside.caption
    assert [len(each.specifications["screen"]["vconcat"]) for each in (without, beside)] == [2, 3]
