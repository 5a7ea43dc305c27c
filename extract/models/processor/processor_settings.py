"""Image processor settings that the user overrides, such as limits on a picture's pixels."""

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias, get_args, get_origin, get_type_hints

from PIL import Image

from pid_lvlm.data.command.shown import cut
from pid_lvlm.data.command.suggest import unknown_name
from pid_lvlm.data.inputs.schema import shown
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.library_errors import first_line
from pid_lvlm.extract.models.processor.picture_sizes import PLAIN_SIZE, check_picture_sizes

Settings: TypeAlias = Mapping[str, Any]

NOT_SETTINGS: Final = {
    *(
        "data_format",
        "device",
        "disable_grouping",
        "input_data_format",
        "return_tensors",
    ),  # arguments of the call, which we set
    *("image_processor_type", "processor_class"),
}
"""Declared settings of an image processor that users cannot set."""

JSON_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "true or false": (bool,),
    "an integer": (int,),
    "a number": (float,),
    "text": (str,),
    "a list": (list, tuple),
    "an object": (dict,),
}
"""JSON value types by their names in messages; in Python, true and false are also integers."""


def change_settings(processor: Any, settings: Settings, model: str) -> None:
    """Replace the image processor of a loaded processor by one with other settings, tried on a plain picture.

    Args:
        processor: the checkpoint's processor.
        settings: the new values by name.
        model: the checkpoint, for messages.

    Raises:
        ModelError: a name is not a setting of this image processor, or the value is not accepted.
    """
    images = processor.image_processor
    kind = type(images)
    what = f"--processor: the {kind.__name__} of `{cut(model)}`"
    before = images.to_dict()
    hints = _hints(kind)
    known = (set(before) | set(hints)) - NOT_SETTINGS
    for key, value in settings.items():
        if key not in known:
            raise ModelError(unknown_name(f"{what}: unknown setting", key, known))
        _check_kind(value, hints.get(key, type(before.get(key))), f"{what}: `{key}`")
    try:
        changed = kind.from_dict({**before, **settings})
        processor.image_processor = changed
        check_picture_sizes(processor, model)
        changed(images=[Image.new("RGB", PLAIN_SIZE, "grey")], return_tensors="pt")
    except ModelError:
        raise
    except Exception as error:
        given = ", ".join(f"{key}={json.dumps(value)}" for key, value in settings.items())
        raise ModelError(f"{what} does not take {cut(given)} ({first_line(error)})") from None


def _hints(kind: type) -> dict[str, Any]:
    """Types of the settings that an image processor declares."""
    declared = getattr(kind, "valid_kwargs", None)
    return {} if declared is None else get_type_hints(declared)


def _check_kind(value: Any, hint: Any, what: str) -> None:
    """Check a value's type: processors are not strict, take any text for true, and ignore what they do not know."""
    kinds = {get_origin(kind) or kind for kind in get_args(hint) or (hint,)}
    names = {name for name, types in JSON_KINDS.items() for kind in kinds if issubclass(kind, types)}
    if bool in kinds and not any(issubclass(kind, int) for kind in kinds - {bool}):
        names.discard("an integer")
    if "a number" in names:
        names.add("an integer")
    found = next((name for name, types in JSON_KINDS.items() if isinstance(value, types)), "null")
    if found not in names:
        expected = " or ".join(name for name in JSON_KINDS if name in names)
        raise ModelError(f"{what} should be {expected}, found {shown(value)}")
