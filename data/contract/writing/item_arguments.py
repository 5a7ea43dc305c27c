"""Items passed to `data.write_run`: questions, options and thumbnails, checked like its arrays."""

from collections.abc import Sequence
from typing import Any

from pid_lvlm.data.bounds import ITEM_LINE, TEXT, THUMBNAIL, THUMBNAILS
from pid_lvlm.data.command.shown import shown
from pid_lvlm.data.contract.schema.item_records import ItemRecord, picture_kind
from pid_lvlm.data.contract.writing.arguments import Arguments
from pid_lvlm.data.files import sha256
from pid_lvlm.data.inputs.place import is_half

Items = tuple[list[ItemRecord], list[bytes]]
"""Records in the order of the rows, and distinct thumbnails in the order of their numbers."""


def items_of(
    given: Arguments,
    ids: Sequence[str],
    labels: Sequence[int],
    num_options: Sequence[int],
    questions: Any,
    options: Any,
    thumbnails: Any,
) -> Items:
    """What a run keeps of its items; nothing if none of the arguments is given, or one of them is invalid.

    Args:
        given: collects the faults.
        ids: sample id of each row.
        labels: right option of each row.
        num_options: options of each row.
        questions: a text for each row.
        options: the texts of each row's options.
        thumbnails: a JPEG or PNG for each row, or None.
    """
    if questions is None and options is None:
        if thumbnails is not None:
            given.fail("thumbnails", "needs `questions` and `options` as well")
        return [], []
    for name, value, other in (("questions", questions, "options"), ("options", options, "questions")):
        if value is None:
            given.fail(name, f"missing, but `{other}` is given; give both or neither")
            return [], []
    texts = given.rows("questions", questions, len(ids), "text", _text_fault)
    lists = given.rows("options", options, len(ids), "list of option", _options_fault)
    pictures = (
        [None] * len(ids)
        if thumbnails is None
        else given.rows("thumbnails", thumbnails, len(ids), "thumbnail", _thumbnail_fault)
    )
    if texts is None or lists is None or pictures is None:
        return [], []
    for row, (texts_of_row, expected) in enumerate(zip(lists, num_options, strict=True)):
        if len(texts_of_row) != expected:
            found = f"expected {expected} texts, one for each option of the item, found {len(texts_of_row)}"
            given.fail("options", found, row)
            return [], []
    return _numbered(given, ids, labels, texts, lists, pictures)


def _numbered(
    given: Arguments,
    ids: Sequence[str],
    labels: Sequence[int],
    texts: Sequence[str],
    lists: Sequence[Sequence[str]],
    pictures: Sequence[bytes | None],
) -> Items:
    numbers: dict[str, int] = {}
    contents: list[bytes] = []
    records: list[ItemRecord] = []
    for row, (sample, label, question, options, picture) in enumerate(
        zip(ids, labels, texts, lists, pictures, strict=True)
    ):
        number = None
        if picture is not None:
            number = numbers.setdefault(sha256(picture), len(contents))
            if number == len(contents):
                contents.append(bytes(picture))
        record = ItemRecord(str(sample), str(question), tuple(map(str, options)), int(label), picture=number)
        if len(record.line()) > ITEM_LINE.most:
            given.fail("options", f"the item has more than {ITEM_LINE} of text", row)
            return [], []
        records.append(record)
    if len(contents) > THUMBNAILS.most:
        given.fail("thumbnails", f"expected at most {THUMBNAILS}, found {len(contents):,} different ones")
        return [], []
    return records, contents


def _text_fault(text: Any) -> str | None:
    if not isinstance(text, str):
        return f"expected text, found {shown(text)}"
    if len(text) > TEXT.most or "\0" in text or is_half(text):
        return f"expected text of at most {TEXT} without U+0000, found {shown(text)}"
    return None


def _options_fault(options: Any) -> str | None:
    if isinstance(options, str | bytes) or not isinstance(options, Sequence):
        return f"expected a list of texts, one for each option, found {shown(options)}"
    return next((fault for text in options if (fault := _text_fault(text)) is not None), None)


def _thumbnail_fault(content: Any) -> str | None:
    if content is None:
        return None
    if not isinstance(content, bytes | bytearray):
        return f"expected the bytes of a JPEG or PNG, or None, found a {type(content).__name__}"
    if len(content) > THUMBNAIL.most:
        return (
            f"has {len(content):,} bytes; at most {THUMBNAIL}: scale the picture down, 160 pixels per side are enough"
        )
    if picture_kind(bytes(content[:16])) is None:
        return "is neither a JPEG nor a PNG"
    return None
