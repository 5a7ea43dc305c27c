"""`python -m tests.hostile.fuzz PARSER...`: fuzz parsers, print a JSON summary of each, exit with 1 on any finding.

With `--replay FILE` a kept file is read once again, and what happens is shown.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.hostile.fuzz.campaign import run_campaign
from tests.hostile.fuzz.targets import TARGETS


def main(arguments: list[str] | None = None) -> int:
    """Fuzz, or replay."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.fuzz", description=__doc__)
    parser.add_argument(
        "parsers", nargs="+", metavar="PARSER", choices=[*TARGETS, "all"], help=f"all, {', '.join(TARGETS)}"
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="for each parser")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("out/fuzz"), help="folder for files that show a finding")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="read this kept file instead")
    given = parser.parse_args(arguments)
    names = list(TARGETS) if "all" in given.parsers else given.parsers
    if given.replay is not None:
        return replay(names[0], given.replay)
    found = False
    for name in names:
        campaign = run_campaign(name, given.seed, 60 * given.minutes, given.keep)
        print(json.dumps(campaign.summary(), indent=2), flush=True)
        found |= bool(campaign.findings)
    return int(found)


def replay(name: str, file: Path) -> int:
    """Read a kept file as its parser would."""
    from tests.hostile.fuzz.judge import killed_when_stuck, replays
    from tests.hostile.fuzz.worker import place

    with tempfile.TemporaryDirectory(prefix="pid-fuzz-") as scratch:
        folder = Path(scratch)
        target = TARGETS[name](folder)
        known = next((seed for seed in target.seeds if file.name.endswith(seed)), next(iter(target.seeds)))
        path = place(folder, known, file.read_bytes())
        with killed_when_stuck():
            judged = replays(lambda: target.parse(path))
    print(f"{'refused' if judged.refused else 'read'} in {judged.seconds:.2f} s, {judged.peak / 2**20:.0f} MB")
    if judged.verdict is None:
        return 0
    print(f"{judged.verdict.key}\n{judged.verdict.text}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
