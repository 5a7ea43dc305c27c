"""Figures: functions from a result table to an altair chart, used by notebooks and by the report.

`spectrum(results)`, `layers(results)`, `training(results)`, `uncertainties(results)`, `sensitivity(results)` and
`batch_sizes(results)` take the whole table and select what they show; so do the figures over models:
`regimes(results)`, `families(results)` and `image_removal(results)`. `differences(results, pointwise)` also needs the
table of atoms per item; `case_studies(items)` takes the result of `pid_lvlm.analysis.items` and shows single items.
`with sized("one-column")` lays them out for print. They raise `NothingToShowError` if the table has nothing to show.
"""

from pid_lvlm.analysis.figures.curves.layers import layers
from pid_lvlm.analysis.figures.curves.training import training
from pid_lvlm.analysis.figures.items.case_studies import CaseStudies, case_studies
from pid_lvlm.analysis.figures.over_models.families import families
from pid_lvlm.analysis.figures.over_models.image_removal import image_removal
from pid_lvlm.analysis.figures.over_models.regimes import regimes
from pid_lvlm.analysis.figures.over_models.spectrum import spectrum
from pid_lvlm.analysis.figures.reliability.batch_sizes import batch_sizes
from pid_lvlm.analysis.figures.reliability.differences import differences
from pid_lvlm.analysis.figures.reliability.sensitivity import sensitivity
from pid_lvlm.analysis.figures.reliability.uncertainty import uncertainties
from pid_lvlm.analysis.figures.sizes import sized as sized

__all__ = [
    "CaseStudies",
    "batch_sizes",
    "case_studies",
    "differences",
    "families",
    "image_removal",
    "layers",
    "regimes",
    "sensitivity",
    "spectrum",
    "training",
    "uncertainties",
]
