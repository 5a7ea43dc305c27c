"""Renders chat templates, which are programs from a checkpoint, in a sandbox with limits on time and memory."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any, Final

from pid_lvlm.data.bounds import TEMPLATE_SECONDS, TEMPLATE_TEXT
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.library_errors import first_line

TRIAL: Final = Path(__file__).with_name("template_trial.py")
TRIAL_BYTES: Final = 2 << 30
PATIENCE: Final = 30
"""Wall-clock limit of a trial as a multiple of its CPU time limit, for busy machines."""

Conversation = list[dict[str, Any]]


class OutOfTimeError(Exception):
    """A template did not finish in time."""


def render_prompt(processor: Any, conversation: Conversation, options: Mapping[str, Any]) -> str:
    """Render the whole prompt of one conversation with the chat template of a processor or a tokenizer.

    The first prompt of each template is rendered in a separate process, since some things that a template can
    compute, such as a huge power, cannot be interrupted in this one.

    Raises:
        ModelError: the chat template is missing, fails, does not finish in time or writes too much.
    """
    template = _template_text(processor)
    if template is not None:
        names = {**options, **{name: str(token) for name, token in _special_tokens(processor).items()}}
        _try_once(template, json.dumps(conversation[:1]), json.dumps(names))
    try:
        with _time_limit(TEMPLATE_SECONDS.most):
            rendered: str = processor.apply_chat_template(
                conversation, add_generation_prompt=True, tokenize=False, **options
            )
    except OutOfTimeError:
        raise _endless() from None
    except MemoryError:
        raise _too_much() from None
    except Exception as error:  # a template can raise anything its operators and filters can
        what = "the checkpoint needs a chat template" if template is None else "its chat template does not fit"
        message = f"the processor cannot render a prompt ({first_line(error)}); {what}"
        raise ModelError(message) from error
    if len(rendered) > TEMPLATE_TEXT.most:
        raise _too_much()
    return rendered


def _template_text(processor: Any) -> str | None:
    template = getattr(processor, "chat_template", None)
    if isinstance(template, Mapping):
        template = template.get("default")
    return template if isinstance(template, str) else None


def _special_tokens(processor: Any) -> Mapping[str, Any]:
    found = getattr(getattr(processor, "tokenizer", processor), "special_tokens_map", None)
    return {name: token for name, token in found.items() if isinstance(token, str)} if found else {}


def _try_once(template: str, conversation: str, names: str) -> None:
    failure = _trial(template, _shape(conversation), names)
    if failure == signal.SIGXCPU:
        raise _endless()
    if failure:
        raise _too_much()


def _shape(conversation: str) -> str:
    """The conversation without its text, so that one trial covers all prompts of a template."""
    turns = json.loads(conversation)
    for turn in turns:
        for part in turn["content"] if isinstance(turn["content"], list) else [turn]:
            for key in {"text", "content"} & set(part):
                part[key] = "Which one?\nA. this\nB. that"
    return json.dumps(turns)


@lru_cache(maxsize=64)
def _trial(template: str, conversation: str, names: str) -> int:
    """Signal that ended rendering in a separate process, -1 if it ran out of memory or wrote too much, else 0."""
    if not sys.executable or os.name != "posix":
        return 0
    asked = {
        "template": template,
        "conversation": json.loads(conversation),
        "options": json.loads(names),
        "seconds": TEMPLATE_SECONDS.most,
        "bytes": TRIAL_BYTES,
    }
    command = [sys.executable, "-P", "-W", "ignore", str(TRIAL)]
    try:
        done = subprocess.run(
            command,
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE * TEMPLATE_SECONDS.most,
        )
    except subprocess.TimeoutExpired:
        return signal.SIGXCPU
    if done.returncode < 0:
        return signal.SIGXCPU if -done.returncode in {signal.SIGXCPU, signal.SIGKILL} else -1
    return -1 if done.returncode or int(done.stdout or 0) > TEMPLATE_TEXT.most else 0


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise `OutOfTimeError` in the block after this many CPU seconds; works only in the main thread."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _endless() -> ModelError:
    return ModelError(f"the chat template did not write a prompt within {TEMPLATE_SECONDS}; is it damaged?")


def _too_much() -> ModelError:
    return ModelError(f"the chat template asks for too much memory or writes more than {TEMPLATE_TEXT}; is it damaged?")
