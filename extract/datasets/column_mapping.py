"""Maps columns of a dataset file to fields of an item."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pid_lvlm.data.command.shown import backticked, cut
from pid_lvlm.data.command.suggest import near_names, suggestion
from pid_lvlm.data.errors import Fault
from pid_lvlm.data.names import OPTION_LETTERS
from pid_lvlm.extract.config import OPTION_SEPARATOR
from pid_lvlm.extract.datasets.errors import DatasetError
from pid_lvlm.extract.errors import UsageError

USUAL_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "id": ("id", "sample_id", "question_id", "index"),
    "group": ("group", "group_id", "image_id", "image_path"),
    "image": ("image", "image_path", "img", "picture", "figure_path"),
    "question": ("question", "text", "query"),
    "options": ("options", "choices", "answer_choices"),
    "answer": ("answer", "label", "gt", "correct"),
    "hint": ("hint", "context"),
    "raw": (),
}
"""Column names to try, in this order, for a field that is not mapped."""

DIFFERENT: Final = ("image", "question", "options", "answer", "hint")
"""Fields that cannot share a column; an id or a group may be the picture's name, and `raw` the question."""

REQUIRED: Final = ("image", "question", "options")
THE_PICTURE: Final = "@picture"
"""Special column name for `group` that means the picture itself: its path, or a hash of its bytes."""


@dataclass(frozen=True)
class Columns:
    """Column of each field; `options` is one list column or several text columns. None if the file has none."""

    image: str
    question: str
    options: tuple[str, ...]
    id: str | None = None
    group: str | None = None
    answer: str | None = None
    hint: str | None = None
    raw: str | None = None


def parse_mapping(text: str) -> dict[str, str]:
    """Parse `--columns`: `question=Q,options=A|B|C|D`.

    Raises:
        UsageError: a part is not `field=column`, or the field is unknown.

    Example:
        >>> parse_mapping("question=Q, options=A|B|C|D")
        {'question': 'Q', 'options': 'A|B|C|D'}
    """
    mapping = {}
    for part in text.split(","):
        field, equals, column = (piece.strip() for piece in part.partition("="))
        if not equals or not column:
            message = f"--columns: `{cut(part)}` is not field=column; example: question=Q,options=A|B|C|D,answer=label"
            raise UsageError(message)
        if field in mapping:
            raise UsageError(f"--columns: `{cut(field)}` is mapped twice; keep one")
        mapping[field] = column
    check_fields(mapping, "--columns")
    return mapping


def check_fields(mapping: Mapping[str, str], where: str) -> None:
    """Reject a mapping of an unknown field, or of one column to fields that cannot share it.

    Raises:
        UsageError: suggests the nearest known field, or names the column.
    """
    used: dict[str, str] = {}
    for field in mapping:
        if field not in USUAL_NAMES:
            message = f"{where}: unknown field `{cut(field)}`; {suggestion(field, USUAL_NAMES)}"
            raise UsageError(message)
        for column in mapping[field].split(OPTION_SEPARATOR) if field in DIFFERENT else ():
            if (other := used.setdefault(column, field)) != field or mapping[field].split(OPTION_SEPARATOR).count(
                column
            ) > 1:
                twice = f"for `{other}` and `{field}`" if other != field else f"twice for `{field}`"
                raise UsageError(
                    f"{where}: the column {backticked([column])} is given {twice}; expected different columns"
                )


def resolve_columns(
    file: str, present: Sequence[str], mapping: Mapping[str, str], *, usual: bool = True, fixed_options: bool = False
) -> Columns:
    """Find each field's column in a file.

    Args:
        file: the file's name, for messages.
        present: columns of the file.
        mapping: field -> column, from the user, the dataset card or the benchmark.
        usual: whether to look for omitted fields under their usual names.
        fixed_options: whether every item has the same options, which are in no column.

    Raises:
        DatasetError: a named column does not exist, or a required field has none; lists all of them.
    """
    faults = []
    missing = []
    taken = {part for field in DIFFERENT for part in mapping.get(field, "").split(OPTION_SEPARATOR)}
    found: dict[str, str] = {}
    for field, names in USUAL_NAMES.items():
        if field == "options" and fixed_options:
            continue
        named = mapping.get(field)
        if named is None:
            named = next(
                (name for name in names if usual and name in present and not (field in DIFFERENT and name in taken)),
                None,
            )
            if named is None and field == "options":
                named = _letter_columns(file, [name for name in present if name not in mapping.values()])
            if named is None:
                if field in REQUIRED:
                    missing.append(field)
                continue
        parts = named.split(OPTION_SEPARATOR) if field == "options" else [named]
        faults += [
            Fault(
                file, f"no column {backticked([part])}, which was given for `{field}`; {_columns_found(part, present)}"
            )
            for part in parts
            if part not in present and not (field == "group" and part == THE_PICTURE)
        ]
        found[field] = named
    if missing:
        fields = " and none for ".join(f"`{field}`" for field in missing)
        faults.insert(0, Fault(file, f"no column for {fields}; {_columns_found(missing[0], present, found)}"))
    if faults:
        raise DatasetError(file, faults)
    options = () if fixed_options else tuple(found.pop("options").split(OPTION_SEPARATOR))
    return Columns(options=options, **found)


def _letter_columns(file: str, free: Sequence[str]) -> str | None:
    """Columns `A`, `B`, … as options; None if there are fewer than two of them.

    Args:
        file: the file's name, for messages.
        free: columns not mapped to any field.

    Raises:
        DatasetError: there is a gap between the letters, so it is not clear which of them are options.
    """
    letters = [letter for letter in OPTION_LETTERS if letter in free]
    if len(letters) < 2 or letters[0] != OPTION_LETTERS[0]:
        return None
    gap = next((letter for letter in OPTION_LETTERS if letter not in letters), None)
    after = [letter for letter in letters if gap is not None and letter > gap]
    if after:
        message = (
            f"the columns {', '.join(f'`{letter}`' for letter in letters)} could be options, but `{gap}` is missing; "
            f"name the options with --columns options={OPTION_SEPARATOR.join(letters)}, or fewer of them"
        )
        raise DatasetError(file, [Fault(file, message)])
    return OPTION_SEPARATOR.join(letters)


def _columns_found(wanted: str, present: Sequence[str], used: Mapping[str, str] | None = None) -> str:
    taken = {part for named in (used or {}).values() for part in named.split(OPTION_SEPARATOR)}
    near = near_names(wanted, [name for name in present if name not in taken])
    guess = f"did you mean {backticked(near[:1])}? " if near else ""
    return f"{guess}the file has {backticked(present)} (set it with --columns)"
