"""What the paper's findings would be for a table at hand."""

from pid_lvlm.analysis.exhibits.finding import PaperFinding
from pid_lvlm.analysis.exhibits.findings import paper_findings

__all__ = ["PaperFinding", "paper_findings"]
