r"""Items as training data, in the conversation JSON that LLaVA introduced.

One record is `{"id", "image", "conversations": [{"from": "human", "value": "<image>\n..."}, {"from": "gpt", ...}]}`.
Here `image` is a data URI, so that one file is enough, and `task` names the source of the record.
"""

from __future__ import annotations

from typing import Any

from pid_lvlm.data.world.items import Item, user_text

IMAGE_MARK = "<image>"


def conversation(item: Item, task: str) -> dict[str, Any]:
    """One item as a conversation about its picture.

    Args:
        item: The item.
        task: Name of its task.

    Returns:
        A record in LLaVA's format.
    """
    asked = f"{IMAGE_MARK}\n{user_text(item.question.text, item.question.options)}"
    return {
        "id": item.id,
        "image": f"data:image/png;base64,{item.image}",
        "task": task,
        "conversations": [{"from": "human", "value": asked}, {"from": "gpt", "value": item.answer}],
    }


def caption_conversation(item: Item, task: str) -> dict[str, Any]:
    """One item with its picture in words, for training a language model before it gets pictures.

    Args:
        item: The item.
        task: Name of its task.

    Returns:
        A record without an image.
    """
    asked = f"{item.scene.caption}\n{user_text(item.question.text, item.question.options)}"
    return {
        "id": f"{item.id}-caption",
        "task": task,
        "conversations": [{"from": "human", "value": asked}, {"from": "gpt", "value": item.answer}],
    }
