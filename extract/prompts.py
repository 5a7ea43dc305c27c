"""From an item to the user's text. Templates are named; the name is recorded in the manifest."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from data.names import OPTION_LETTERS
from extract.errors import UsageError, suggestion
from extract.items import Item


@dataclass(frozen=True)
class UserText:
    """The user's text in three parts: hint, question with options, instruction."""

    before: str
    core: str
    after: str

    @property
    def full(self) -> str:
        """The whole text."""
        return self.before + self.core + self.after


Template = Callable[[Item], UserText]


def lettered(item: Item) -> str:
    """Question and options, one per line, each option behind its letter."""
    lines = [f"{letter}. {option}" for letter, option in zip(OPTION_LETTERS, item.options, strict=False)]
    return "\n".join([item.question, *lines])


def with_instruction(instruction: str) -> Template:
    """A template: hint, question, lettered options, then `instruction`, each on its own line."""

    def template(item: Item) -> UserText:
        return UserText(f"{item.hint}\n" if item.hint else "", lettered(item), f"\n{instruction}")

    return template


TEMPLATES: Final[dict[str, Template]] = {
    # LLaVA-1.5's own wording for multiple choice.
    "letters": with_instruction("Answer with the option's letter from the given choices directly."),
    # The wording of the paper's appendix C.
    "paper": with_instruction(
        "Please select the correct answer from the options above. "
        "You must answer with the letter of the correct option only."
    ),
}
DEFAULT_TEMPLATE: Final = "letters"


def get_template(name: str) -> Template:
    """Template by name.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in TEMPLATES:
        message = f"unknown prompt template `{name}`; {suggestion(name, TEMPLATES)}"
        raise UsageError(message)
    return TEMPLATES[name]
