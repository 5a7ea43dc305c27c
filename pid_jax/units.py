"""Nats to bits. Everything is computed in nats; this is the only place that knows the factor."""

import math
from typing import Any, Final, TypeVar

NATS_PER_BIT: Final = math.log(2.0)

Quantity = TypeVar("Quantity", bound=Any)


def bits_from_nats(nats: Quantity) -> Quantity:
    """Convert an information quantity (a number or an array) from nats to bits."""
    return nats / NATS_PER_BIT
