"""A script that renders one chat template under limits that kill the process. It imports nothing from this package.

Standard input is a JSON object with `template`, `conversation`, `options`, `seconds` and `bytes`; standard output is
the number of characters written. This script ignores template errors: its caller renders the template again and sees
them, too.
"""

import json
import resource
import sys
from typing import Any, NoReturn

from jinja2 import nodes
from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

OUT_OF_MEMORY = 77
"""Exit code."""


class Raised(TemplateError):
    """The template's own `raise_exception`."""


class Generation(Extension):
    """transformers' tag around an assistant's words, without effect here."""

    tags = {"generation"}  # noqa: RUF012  the base class has it so

    def parse(self, parser: Any) -> list[nodes.Node]:
        """The tagged statements."""
        next(parser.stream)
        body: list[nodes.Node] = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return body


def main() -> None:
    """Render with plain jinja2, which loads fast; fall back to transformers' own environment for its extras."""
    asked = json.load(sys.stdin)
    try:
        sys.stdout.write(f"{_length(asked)}\n")
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)


def _length(asked: dict[str, Any]) -> int:
    names = {"add_generation_prompt": True, **asked["options"]}
    _limit(asked["seconds"], asked["bytes"])
    try:
        template = _environment().from_string(asked["template"])
        return len(template.render(messages=asked["conversation"], tools=None, documents=None, **names))
    except MemoryError:
        raise
    except Raised:
        return 0
    except Exception:  # such as a filter from transformers
        return _length_in_transformers(asked, names)


def _length_in_transformers(asked: dict[str, Any], names: dict[str, Any]) -> int:
    _limit(1000, asked["bytes"])
    from transformers.utils.chat_template_utils import render_jinja_template

    _limit(asked["seconds"], asked["bytes"])
    try:
        rendered: Any = render_jinja_template([asked["conversation"]], chat_template=asked["template"], **names)
        return len(rendered[0][0])
    except MemoryError:
        raise
    except Exception:
        return 0


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, Generation]
    )
    environment.filters["tojson"] = lambda value, **options: json.dumps(value, **{"ensure_ascii": False, **options})
    environment.globals |= {"strftime_now": str, "raise_exception": _raise}
    return environment


def _raise(message: object) -> NoReturn:
    raise Raised(str(message))


def _limit(seconds: int, most_bytes: int) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + seconds + 1
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    resource.setrlimit(resource.RLIMIT_AS, (most_bytes, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    main()
