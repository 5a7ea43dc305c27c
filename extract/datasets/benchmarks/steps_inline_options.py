"""Steps for options that are part of the question's text, or that begin with their letter."""

import re
from dataclasses import dataclass
from typing import Final

from pid_lvlm.data.command.shown import shown
from pid_lvlm.data.names import OPTION_LETTERS
from pid_lvlm.extract.datasets.answer_options import BRACKETED_LETTER, cell_text
from pid_lvlm.extract.datasets.benchmarks.benchmark import Step
from pid_lvlm.extract.datasets.errors import Reason, RowError
from pid_lvlm.extract.datasets.sources.table import Row, Table

LETTER_PREFIX: Final = re.compile(r"\s*([A-Z])\s*[:.)]\s*")


@dataclass(frozen=True)
class Layout:
    """How options follow a question in one text. Patterns are regular expressions; `%s` stands for the letter.

    Attributes:
        first: pattern before option A.
        later: pattern before each later option.
        end: pattern after the last option, or "".
        shown: readable form, for messages.
    """

    first: str
    later: str
    end: str
    shown: str

    def split(self, text: str) -> tuple[str, dict[str, str]]:
        """The question and the options by letter, stripped of blanks.

        The markers are matched in order, each at its first occurrence after the previous one: an option may contain a
        later letter, but is never mistaken for a question. If a question seems to contain option A, the last counts.

        Raises:
            RowError: the text has no options A and B of this form.
        """
        starts = list(re.finditer(self.first % "A", text))
        found = [starts[-1]] if starts else []
        for letter in OPTION_LETTERS[1:]:
            marker = found and re.compile(self.later % letter).search(text, found[-1].end())
            if not marker:
                break
            found.append(marker)
        if len(found) < 2:
            message = f"no options of the form {self.shown!r} in {shown(text)}"
            raise RowError(Reason.OTHER_FORM, message)
        ends = [marker.start() for marker in found[1:]] + [len(text)]
        options = [text[marker.end() : end].strip() for marker, end in zip(found, ends, strict=True)]
        if self.end:
            options[-1] = re.sub(rf"(?:{self.end})\s*$", "", options[-1], flags=re.DOTALL).strip()
        return text[: found[0].start()].strip(), dict(zip(OPTION_LETTERS, options, strict=False))


REEFKNOT: Final = Layout(
    r"\s+%s\.\s+", r"\s+%s\.\s+", r",?\s*please choose\s*\.?", "… A. w B. x C. y D. z, please choose."
)
MMSTAR: Final = Layout(
    r"\s*(?:Options|Choices):\s*\(?%s[:.)]\s*", r"\s*,?\s+\(?%s[:.)]\s*", "", "… Options: A: w, B: x, C: y, D: z"
)
REALWORLDQA: Final = Layout(r"\n\s*%s\.\s*", r"\n\s*%s\.\s*", r"\n\s*Please answer .*", "…\nA. w\nB. x\nC. y")


def split_options(layout: Layout, column: str = "question") -> Step:
    """Split one text into `question` and `options` (by letter), and keep it as `raw`. An option `nan` is missing."""

    def parted(row: Row) -> Row:
        raw = cell_text(row.get(column))
        question, options = layout.split(raw)
        present = {letter: text for letter, text in options.items() if text.casefold() != "nan"}
        return {**row, "raw": raw, "question": question, "options": present}

    return lambda table: table.change(parted)


def clean_prefixes(columns: dict[str, str]) -> Step:
    """Set `options` from one column per letter, removing the letter that the text repeats (` A:Left lung `).

    A text that starts with another letter, or none, is unchanged: that may be the option itself.
    """

    def cleaned(row: Row) -> Row:
        options = {}
        for letter, column in columns.items():
            text = cell_text(row.get(column))
            found = LETTER_PREFIX.match(text)
            options[letter] = text[found.end() :].strip() if found and found[1] == letter else text
        return {**row, "options": options}

    return lambda table: table.change(cleaned)


def labels_over_texts(label: str, text: str) -> Step:
    """Set `answer` from a column of letters, or without one, from a text that is a letter or an option's text.

    If letter and text name different options the letter counts, and a note says how often.
    """

    def step(table: Table) -> Table:
        disagreeing = 0

        def answered(row: Row) -> Row:
            nonlocal disagreeing
            letter = cell_text(row.get(label)).upper()
            said = cell_text(row.get(text))
            if letter and said and not BRACKETED_LETTER.fullmatch(said):
                disagreeing += _plain(said, letter) != _plain(cell_text(row["options"].get(letter)), letter)
            return {**row, "answer": letter or said}

        changed = table.change(answered)
        if disagreeing:
            return changed.noted(f"{disagreeing} rows have a letter and a text that disagree; the letter counts")
        return changed

    return step


def _plain(text: str, letter: str) -> str:
    found = LETTER_PREFIX.match(text)
    return " ".join((text[found.end() :] if found and found[1] == letter else text).split()).casefold()
