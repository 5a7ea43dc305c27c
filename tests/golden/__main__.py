"""`python -m tests.golden FILE...`: replay recorded fits; exit 1 when one is outside the tolerance."""

import sys

from tests.golden.replay import TEST_TOLERANCE_BITS, TRAIN_TOLERANCE_BITS, GoldenFileError, replay


def main(paths: list[str]) -> int:
    """Print one line per file and return the exit code."""
    if not paths:
        print("usage: python -m tests.golden FILE...  (for example tests/golden/*.npz)", file=sys.stderr)
        return 2
    print(f"largest difference in bits; allowed: train {TRAIN_TOLERANCE_BITS:g}, test {TEST_TOLERANCE_BITS:g}")
    all_passed = True
    for path in paths:
        try:
            found = replay(path)
        except GoldenFileError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        verdict = "pass" if found.passed else "FAIL"
        print(f"{verdict}  train {found.train_bits:.2e}  test {found.test_bits:.2e}  {path}", flush=True)
        all_passed &= found.passed
    return 0 if all_passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
