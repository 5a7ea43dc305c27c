"""Any other vision-language model in transformers, through the common accessors; trusted only after a leak test."""

from collections.abc import Sequence
from inspect import signature
from typing import Any, ClassVar, Final

from PIL import Image
from torch import Tensor, nn

from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.adapters.base import Adapter, ModelInputs, soft_cap
from pid_lvlm.extract.models.registry import refused

NORMS: Final = ("norm", "final_layernorm", "final_layer_norm", "embedding_norm", "ln_f")
"""Names of the norm after a decoder's last block."""

INNER: Final = ("model", "decoder")
"""Names of the decoder in a language model."""


class GenericAdapter(Adapter):
    """A model whose type has no adapter. Every run starts with a leak test on the real model and real items.

    Raises:
        ModelError: a part that all adapters need is not in its usual place.
    """

    family: ClassVar[str] = "other"
    leak_tested: ClassVar[bool] = False

    def __init__(self, model: Any, processor: Any) -> None:
        for part in ("tokenizer", "image_processor", "image_token"):
            _require(processor, part, "processor", model)
        super().__init__(model, processor)
        _require(model.config, "image_token_id", "configuration", model)
        _require(self.decoder, "layers", "decoder", model)
        self._norm = next((name for name in NORMS if hasattr(self.decoder, name)), None)
        if self._norm is None:
            raise _unreadable(model, f"its decoder has no final norm under a known name ({', '.join(NORMS)})")
        self._encodes_first = "mm_encoder_outputs" in signature(model.forward).parameters
        self._nested = False

    @property
    def decoder(self) -> nn.Module:
        """The module that holds the blocks; some classes return a wrapper around it."""
        found = super().decoder
        while not hasattr(found, "layers"):
            inner = next((part for name in INNER if isinstance(part := getattr(found, name, None), nn.Module)), None)
            if inner is None:
                break
            found = inner
        return found

    def render(self, text: str, *, picture: bool) -> str:
        """The prompt from the checkpoint's chat template."""
        if not self.processor.chat_template:
            raise _unreadable(self.model, "its processor has no chat template")
        return super().render(text, picture=picture)

    def final_norm(self, states: Tensor) -> Tensor:
        """The decoder's last norm."""
        normed: Tensor = getattr(self.decoder, str(self._norm))(states)
        return normed

    def cap(self, logits: Tensor) -> Tensor:
        """Apply capping and scaling as configured; the check of the lens shows whether that is right."""
        scaling = getattr(self.model.config.get_text_config(), "logits_scaling", None)
        return soft_cap(self.model, logits if scaling is None else logits / scaling)

    def process(self, prompts: Sequence[str], pictures: Sequence[Image.Image] | None) -> ModelInputs:
        """Pictures as one list, or as one list per prompt if the processor expects that."""
        self.nested = self._nested
        try:
            return super().process(prompts, pictures)
        except ModelError as error:
            raise _unreadable(self.model, str(error)) from error
        except (ValueError, TypeError):
            if self._nested:
                raise
        self._nested = self.nested = True
        return super().process(prompts, pictures)

    def encode_pictures(self, inputs: ModelInputs) -> ModelInputs:
        """Run the vision part once for all conditions if the forward accepts its result; otherwise it runs in each."""
        return super().encode_pictures(inputs) if self._encodes_first else inputs


def _require(owner: Any, part: str, name: str, model: Any) -> None:
    if getattr(owner, part, None) is None:
        raise _unreadable(model, f"its {name} has no `{part}`")


def _unreadable(model: Any, why: str) -> ModelError:
    return refused(model.config.model_type, f"cannot read it: {why}")
