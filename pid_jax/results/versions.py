"""The libraries and device that a table was made with."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version

import jax

LIBRARIES = ("pid-lvlm", "jax", "jaxlib", "flax", "optax", "ott-jax", "numpy")


@cache
def library_versions() -> Mapping[str, str]:
    """Versions of the libraries that the numbers depend on."""
    return {name: version(name) for name in LIBRARIES}


def device_name() -> str:
    """Backend and kind of the first device, for example `cpu` or `gpu: NVIDIA H200`."""
    device = jax.devices()[0]
    return device.platform if device.platform == device.device_kind else f"{device.platform}: {device.device_kind}"


def versions_json(extract: Mapping[str, str]) -> str:
    """Versions of the libraries of both steps, as JSON; those of the extraction are in a run's manifest."""
    return json.dumps({"extract": dict(extract), "estimate": dict(library_versions())})
