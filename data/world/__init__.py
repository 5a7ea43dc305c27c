"""The demo world: a synthetic picture world whose information decomposition is known exactly.

Five multiple-choice tasks, each defined by a finite joint distribution p(picture, question, answer letter).
Pictures, questions and sampled answers follow from that table, and so does the true decomposition
(`true_atoms`): it is a property of the items, not a hand-written constant.
"""

from pid_lvlm.data.world.cards import card_text, write_card
from pid_lvlm.data.world.conversations import caption_conversation, conversation
from pid_lvlm.data.world.exact import TrueAtoms, broja_atoms, true_atoms
from pid_lvlm.data.world.items import Item, make_items, user_text, write_items
from pid_lvlm.data.world.pictures import draw
from pid_lvlm.data.world.tasks import TASKS, Question, Scene, Task, get_task

__all__ = [
    "TASKS",
    "TrueAtoms",
    "Item",
    "Question",
    "Scene",
    "Task",
    "caption_conversation",
    "card_text",
    "conversation",
    "broja_atoms",
    "draw",
    "get_task",
    "make_items",
    "true_atoms",
    "user_text",
    "write_card",
    "write_items",
]
