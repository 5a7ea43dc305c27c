"""From an item to the user's text. Templates are named; the name is recorded in the manifest."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pid_lvlm.data.command.suggest import unknown_name
from pid_lvlm.extract.config import ExtractionConfig
from pid_lvlm.extract.datasets.item import Dataset, Item
from pid_lvlm.extract.errors import UsageError


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
    """Question and options, one per line, each option prefixed by its letter."""
    return "\n".join([item.question, *option_lines(item)])


def option_lines(item: Item) -> list[str]:
    """Each option prefixed by its letter."""
    return [f"{letter}. {option}" for letter, option in zip(item.letters, item.options, strict=True)]


def with_instruction(instruction: str) -> Template:
    """A template: hint, question, lettered options, then `instruction`, each on its own line."""

    def template(item: Item) -> UserText:
        after = f"\n{instruction}" if instruction else ""
        return UserText(f"{item.hint}\n" if item.hint else "", lettered(item), after)

    return template


def labelled(item: Item) -> UserText:
    """VLMEvalKit's form for multiple choice: every part prefixed by its name."""
    core = "\n".join([f"Question: {item.question}", "Options:", *option_lines(item)])
    return UserText(f"Hint: {item.hint}\n" if item.hint else "", core, f"\n{VLMEVAL_INSTRUCTION}")


def as_stored(item: Item) -> UserText:
    """The prompt from the benchmark's file, unchanged.

    Raises:
        UsageError: the file has none.
    """
    if not item.raw:
        message = (
            f"prompt template `raw` needs items that have a prompt, but item {item.id!r} has none; "
            "map it with --columns raw=COLUMN, or choose another --prompt"
        )
        raise UsageError(message)
    return UserText("", item.raw, "")


VLMEVAL_INSTRUCTION: Final = "Please select the correct answer from the options above. \n"

TEMPLATES: Final[dict[str, Template]] = {
    # LLaVA-1.5's own wording for multiple choice.
    "letters": with_instruction("Answer with the option's letter from the given choices directly."),
    # The wording of the paper's appendix C; the order of its parts is not published.
    "paper": with_instruction(
        "Please select the correct answer from the options above. "
        "You must answer with the letter of the correct option only."
    ),
    # no instruction: for base models, and to see what an instruction changes
    "plain": with_instruction(""),
    "vlmeval": labelled,
    "raw": as_stored,
}
DEFAULT_TEMPLATE: Final = "letters"


def template_name(config: ExtractionConfig, dataset: Dataset) -> str:
    """Prompt template of a run: from the command, else the dataset card, else the default."""
    return config.prompt or dataset.prompt or DEFAULT_TEMPLATE


def get_template(name: str) -> Template:
    """A template by name.

    Raises:
        UsageError: the name is unknown.
    """
    if name not in TEMPLATES:
        raise UsageError(unknown_name("unknown prompt template", name, TEMPLATES))
    return TEMPLATES[name]
