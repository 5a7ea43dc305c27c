"""Chat templates are programs: they run in a sandbox, end in time, and fail in one sentence."""

import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pid_lvlm.data.bounds import Bound
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.processor import chat_template as module
from pid_lvlm.extract.models.processor.chat_template import render_prompt
from tests.extract.tiny_llava import TEMPLATE, tiny_processor

LOOPS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@pytest.fixture(scope="module")
def processor() -> Any:
    return tiny_processor()


@pytest.fixture(autouse=True)
def one_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TEMPLATE_SECONDS", Bound(1, "seconds", "a test"))
    module._trial.cache_clear()


def rendered(processor: Any, template: str, text: str = "hello") -> str:
    processor.chat_template = template
    content = [{"type": "image"}, {"type": "text", "text": text}]
    return render_prompt(processor, [{"role": "user", "content": content}], {})


def test_the_first_prompt_of_a_template_is_tried_apart(processor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Any] = []
    run = subprocess.run

    def counting(*arguments: Any, **options: Any) -> Any:
        tried.append(arguments)
        return run(*arguments, **options)

    monkeypatch.setattr(module.subprocess, "run", counting)
    assert rendered(processor, TEMPLATE) == "USER: <image>\nhello ASSISTANT:"
    assert rendered(processor, TEMPLATE, "other") == "USER: <image>\nother ASSISTANT:"
    assert len(tried) == 1
    rendered(processor, "{% generation %}{{ bos_token }}{% endgeneration %}")
    assert len(tried) == 2


@pytest.mark.parametrize(
    "template",
    [
        LOOPS,
        "{{ 7 ** (7 ** 12) }}",
        pytest.param("{{ 5|round(-999999999) }}", marks=pytest.mark.slow),
        pytest.param("{{ lipsum(n=10**9) }}", marks=pytest.mark.slow),
    ],
    ids=["loops", "power", "round", "lipsum"],
)
def test_a_template_that_does_not_end(processor: Any, template: str) -> None:
    started = time.monotonic()
    with pytest.raises(ModelError, match="the chat template did not write a prompt within 1 seconds; is it damaged?"):
        rendered(processor, template)
    assert time.monotonic() - started < 60


def test_a_template_that_does_not_end_for_one_item(processor: Any) -> None:
    template = f"{{% if 'trap' in messages[0]['content'][1]['text'] %}}{LOOPS}{{% endif %}}ok"
    assert rendered(processor, template) == "ok"
    with pytest.raises(ModelError, match="did not write a prompt within 1 seconds"):
        rendered(processor, template, "trap")


@pytest.mark.parametrize(
    "template",
    [
        "{{ 'a' * 10**10 }}",
        "{{ '%099999999999d' % 1 }}",
        pytest.param(
            "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}{{ n.x }}",
            marks=pytest.mark.slow,
        ),
        "{% for a in range(60000) %}{{ messages[0]['content'][1]['text'] * 50 }}{% endfor %}",
    ],
    ids=["repeat", "pad", "double", "write"],
)
def test_a_template_that_writes_without_end(processor: Any, template: str) -> None:
    # On a slow machine time runs out before memory does.
    refusals = "asks for too much memory or writes more than 10,000,000 characters|did not write a prompt within"
    with pytest.raises(ModelError, match=refusals):
        rendered(processor, template)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ raise_exception('no system turn') }}", "no system turn"),
        ("{% if %}", "Expected an expression"),
        ("{{ x|nofilter }}", "No filter named 'nofilter'"),
        ("{{ 1/0 }}", "ZeroDivisionError"),
        ("{{ messages[5].x.y }}", "list object has no element 5"),
        ("{% for a in range(10**12) %}x{% endfor %}", "Range too big"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recursion"),
        ("{{ ''.__class__.__mro__ }}", "access to attribute '__class__' of 'str' object is unsafe"),
        ("{{ cycler.__init__.__globals__.os.system('x') }}", "access to attribute '__init__'"),
    ],
)
def test_a_template_that_raises(processor: Any, template: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_trial", lambda *_: 0)  # what raises takes no time
    with pytest.raises(ModelError, match="the processor cannot render a prompt") as caught:
        rendered(processor, template)
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_template_of_transformers_own_filters_is_tried_by_transformers(processor: Any) -> None:
    template = "{{ {'b': 1}|tojson(separators=(',', ':'), sort_keys=true) }}{{ undefined.x }}"
    with pytest.raises(ModelError, match="'undefined' is undefined"):
        rendered(processor, template)


def test_elsewhere_than_in_the_main_thread(processor: Any) -> None:
    """Signals reach the main thread only; prompts are rendered all the same."""
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(rendered(processor, TEMPLATE)))
    thread.start()
    thread.join()
    assert found == ["USER: <image>\nhello ASSISTANT:"]


def test_no_template(processor: Any) -> None:
    with pytest.raises(ModelError, match="the checkpoint needs a chat template"):
        rendered(processor, None)  # type: ignore[arg-type]


def test_the_trial_imports_nothing_of_ours() -> None:
    assert "pid_lvlm" not in Path(module.TRIAL).read_text()
