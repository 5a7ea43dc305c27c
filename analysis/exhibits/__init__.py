"""The paper's findings recomputed for any result table."""

from pid_lvlm.analysis.exhibits.finding import PaperFinding
from pid_lvlm.analysis.exhibits.findings import paper_findings

__all__ = ["PaperFinding", "paper_findings"]
