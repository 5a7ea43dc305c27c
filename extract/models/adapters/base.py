"""What extraction needs to know about a model family. A new family takes one subclass and one line in the registry."""

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any, ClassVar, Final

import torch
from PIL import Image
from torch import Tensor, nn

from pid_lvlm.data.names import SOURCES
from pid_lvlm.extract.conditions.hooks import HookPoint
from pid_lvlm.extract.conditions.sites import EmbeddingSite, Site
from pid_lvlm.extract.conditions.transfer import moved
from pid_lvlm.extract.errors import ModelError
from pid_lvlm.extract.models.library_errors import ProcessorError, processor_code
from pid_lvlm.extract.models.processor.answer_tokens import Spelling, letter_spellings
from pid_lvlm.extract.models.processor.chat_template import render_prompt

PIXELS: Final = "pixel_values"

UNPROJECTED: Final = ("last_hidden_state", "hidden_states", "attentions")
"""Outputs of a vision part other than the features passed to the decoder."""

ModelInputs = dict[str, Any]
"""Keyword arguments of the model's forward; the first axis of tensors is the batch."""


class Adapter:
    """A loaded model with its processor, seen through an interface common to all families.

    The defaults fit every class of the form `XForConditionalGeneration` whose decoder takes the merged
    `inputs_embeds`; a subclass defines where its family differs, mostly with these attributes.

    Attributes:
        family: name of the family in tables.
        picture_in_tokens: whether the picture fills decoder tokens; otherwise the decoder attends to it elsewhere.
        answers_apart: whether an answer starts its own sequence (encoder-decoder) instead of continuing the prompt.
        sites: every place where a source enters the model.
        hook_points: hook points of sites that are not decoder inputs.
        norm: name of the norm between the decoder's last block and the head.
        needed: what the processor must return for a picture. Without it some models silently do something else.
        unused: processor outputs that the forward does not take.
        appended: tensors with one entry per token, and the entry for tokens appended to a prompt.
        template_options: values passed to the chat template.
        nested: whether the processor expects one list of pictures per prompt.
        auto_class: transformers class that loads the family's checkpoints.
        shares_prefix: whether the decoder is causal over everything before the user's text, and accepts keys and values
            of an earlier pass; a test compares both ways.
        float32_head: whether the head reads the last positions in float32, whatever the model's dtype.
        projector: name of the module between vision and decoder, within the base model, which training may train.
        leak_tested: whether tests show that replaced sources do not leak; otherwise every run begins with that test.
    """

    family: ClassVar[str]
    picture_in_tokens: ClassVar[bool] = True
    answers_apart: ClassVar[bool] = False
    sites: tuple[Site, ...] = tuple(EmbeddingSite(source) for source in SOURCES)
    hook_points: tuple[HookPoint, ...] = ()
    norm: ClassVar[str] = "norm"
    needed: ClassVar[tuple[str, ...]] = (PIXELS,)
    unused: ClassVar[tuple[str, ...]] = ()
    appended: ClassVar[Mapping[str, int]] = {"attention_mask": 1, "token_type_ids": 0, "mm_token_type_ids": 0}
    template_options: ClassVar[Mapping[str, Any]] = {"enable_thinking": False}  # the answer, not what precedes it
    nested: bool = False
    auto_class: ClassVar[str] = "AutoModelForImageTextToText"
    shares_prefix: ClassVar[bool] = False
    float32_head: bool = True
    projector: ClassVar[str] = "multi_modal_projector"
    leak_tested: ClassVar[bool] = True

    def __init__(self, model: Any, processor: Any) -> None:
        self.model = model
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self.tokenizer.padding_side = "left"  # the last position of every row is then its last token

    @classmethod
    def build(cls, model: Any, processor: Any) -> "Adapter":
        """The adapter for a loaded checkpoint; a family with several kinds of checkpoints may choose a subclass."""
        return cls(model, processor)

    @property
    def decoder(self) -> nn.Module:
        """The text decoder, whose inputs are read and replaced."""
        found: nn.Module = self.model.get_decoder()
        return found

    @property
    def layers(self) -> Sequence[nn.Module]:
        """Decoder blocks, first to last."""
        blocks: Any = self.decoder.layers
        return tuple(blocks)

    def block_state(self, output: Any) -> Tensor:
        """Residual state (batch, tokens, …) in the output of a block's forward."""
        state: Tensor = output[0] if isinstance(output, tuple) else output
        return state

    def final_norm(self, states: Tensor) -> Tensor:
        """The norm between the last block and the head, (…, hidden) to the same shape."""
        normed: Tensor = getattr(self.decoder, self.norm)(states)
        return normed

    def cap(self, logits: Tensor) -> Tensor:
        """What the family does to logits after the head (soft-capping, scaling); by default nothing."""
        return logits

    def unembed(self, states: Tensor) -> Tensor:
        """Logits (…, vocabulary) in float32 of residual states (…, hidden) of any layer: the logit lens."""
        return self.cap(self._head(self.final_norm(states.to(self.device)))).float()

    @property
    def widens_head(self) -> bool:
        """Whether the scored logits are computed in a dtype other than the model's own."""
        return self.float32_head and self.model.dtype != torch.float32

    def _head(self, normed: Tensor) -> Tensor:
        """Logits of normed states. In bfloat16, logits from 16 to 32 are multiples of 1/8, and options often tie."""
        head = self.model.get_output_embeddings()
        if not self.widens_head:
            logits: Tensor = head(normed)
            return logits
        wide = {name: parameter.float() for name, parameter in head.named_parameters()}
        return torch.func.functional_call(head, wide, (normed.float(),))

    @property
    def device(self) -> torch.device:
        """The device of inputs and logits."""
        return next(self.model.get_output_embeddings().parameters()).device

    @property
    def context(self) -> int | None:
        """Maximum context length of the decoder in tokens; None if its configuration does not say."""
        text = self.model.config.get_text_config()
        positions: int | None = getattr(text, "max_position_embeddings", None)
        rope = getattr(text, "rope_parameters", None) or {}
        kinds = [rope, *(kind for kind in rope.values() if isinstance(kind, Mapping))]  # one for all layers, or several
        stretched = max((kind.get("factor") or 1 for kind in kinds), default=1)
        return None if positions is None else int(positions * stretched)

    @property
    def can_share_prefix(self) -> bool:
        """Whether passes over this checkpoint may reuse keys and values: every layer must see all earlier positions.

        Layers that see only a window, or keep a state instead of keys, would need their own kind of cache.
        """
        text = self.model.config.get_text_config()
        kinds = getattr(text, "layer_types", None)
        windowed = bool(getattr(text, "sliding_window", None)) and getattr(text, "use_sliding_window", True)
        return self.shares_prefix and (not windowed if kinds is None else set(kinds) == {"full_attention"})

    def render(self, text: str, *, picture: bool) -> str:
        """The whole prompt as text: a user turn with or without a picture, then the start of the answer.

        Raises:
            ModelError: the checkpoint has no chat template, or one that fails or does not end.
        """
        content: list[dict[str, str]] = [{"type": "image"}] if picture else []
        content.append({"type": "text", "text": text})
        return render_prompt(self.processor, [{"role": "user", "content": content}], self.template_options)

    @property
    def placeholder(self) -> str:
        """Text that stands for the picture in a rendered prompt."""
        return str(self.processor.image_token)

    def tokenize(self, prompts: Sequence[str]) -> list[list[int]]:
        """Token ids of rendered prompts, the picture's placeholder not yet expanded."""
        more = self._special_tokens(prompts)
        try:
            with processor_code(trusted=self.leak_tested):
                ids: list[list[int]] = self.tokenizer(list(prompts), **more)["input_ids"]
        except ProcessorError as error:
            message = f"the tokenizer cannot read the prompts ({error}); download the checkpoint again"
            raise ModelError(message) from error
        return ids

    def decode(self, ids: Sequence[int], *, special: bool = True) -> str:
        """Decode token ids, with or without special tokens."""
        with processor_code(trusted=self.leak_tested):
            return str(self.tokenizer.decode(ids, skip_special_tokens=not special))

    def encode(self, prompts: Sequence[str], pictures: Sequence[Image.Image] | None) -> ModelInputs:
        """Left-padded model inputs for a batch of rendered prompts; `pictures` is None for prompts without pictures.

        Raises:
            ModelError: the processor returns less than the model needs, or something that the forward does not know.
        """
        return self.to_device(self.process(prompts, pictures))

    def to_device(self, inputs: ModelInputs) -> ModelInputs:
        """The same inputs on the model's device."""
        return {
            name: moved(value, self.device) if isinstance(value, Tensor) else value for name, value in inputs.items()
        }

    def process(self, prompts: Sequence[str], pictures: Sequence[Image.Image] | None) -> ModelInputs:
        """The result of `encode`, before it is moved to the model's device."""
        more: dict[str, Any] = self._special_tokens(prompts)
        if pictures is not None:
            more["images"] = [[picture] for picture in pictures] if self.nested else list(pictures)
        with processor_code(trusted=self.leak_tested):
            batch = self.processor(text=list(prompts), padding=True, return_tensors="pt", **more)
        inputs = {name: value for name, value in batch.items() if name not in self.unused}
        self._check_inputs(inputs, {"input_ids", "attention_mask", *(self.needed if pictures is not None else ())})
        return inputs

    def _check_inputs(self, inputs: ModelInputs, needed: set[str]) -> None:
        """Check the inputs: models silently accept unknown and missing arguments, and compute different numbers."""
        if missing := sorted(needed - set(inputs)):
            message = (
                f"the processor returned no `{missing[0]}`, without which {self.family} models compute something else"
            )
            raise ModelError(message)
        known = signature(self.model.forward).parameters
        if unknown := sorted(set(inputs) - set(known)):
            message = (
                f"the processor returned `{unknown[0]}`, which the model's forward would ignore; it needs an adapter"
            )
            raise ModelError(message)

    def spellings(self, prompt: str, count: int) -> tuple[Spelling, ...]:
        """Ways in which the first `count` letters can follow `prompt`.

        Raises:
            ModelError: the letters cannot be scored after it.
        """
        return letter_spellings(self.tokenize, prompt, count)

    def _special_tokens(self, prompts: Sequence[str]) -> dict[str, bool]:
        """Whether to add BOS: some chat templates write it themselves, and the tokenizer must not add a second one."""
        bos = self.tokenizer.bos_token
        return {"add_special_tokens": not (bos and prompts[0].startswith(bos))}

    def first_site(self, source: str) -> Site:
        """The site from which a source's features are pooled."""
        return next(site for site in self.sites if site.source == source)

    def encode_pictures(self, inputs: ModelInputs) -> ModelInputs:
        """Run the vision part once: returns the same inputs with the projected picture in place of its pixels."""
        encode = self.model.base_model.get_image_features
        picture = {name: inputs[name] for name in signature(encode).parameters if name in inputs}
        rest = {name: value for name, value in inputs.items() if name != PIXELS}
        return {**rest, "mm_encoder_outputs": {"image": encode(**picture, return_dict=True)}}

    def repeat_pictures(self, inputs: ModelInputs, counts: Sequence[int], chosen: Sequence[int]) -> ModelInputs:
        """Encoded pictures for other rows, in families that share prefixes.

        Args:
            inputs: result of `encode_pictures` for a batch with one picture per row.
            counts: number of tokens that each picture fills.
            chosen: for every new row, the row whose picture it uses.

        Returns:
            The inputs of the new rows, except those with an entry per token.
        """
        index = torch.tensor(chosen)
        per_picture = {
            name: value[index.to(value.device)]
            for name, value in inputs.items()
            if isinstance(value, Tensor) and name not in {"input_ids", *self.appended}
        }
        encoded = inputs["mm_encoder_outputs"]["image"]
        return {**per_picture, "mm_encoder_outputs": {"image": _repeated(encoded, counts, chosen)}}

    def visual_mask(self, inputs: ModelInputs) -> Tensor:
        """Positions that the picture fills, boolean (batch, tokens)."""
        mask: Tensor = inputs["input_ids"] == self.model.config.image_token_id
        return mask

    def expected_picture_tokens(self, sizes: Sequence[tuple[int, int]]) -> list[int] | None:
        """Number of decoder tokens that pictures of these heights and widths will fill; None if unknown."""
        count = getattr(self.processor, "_get_num_multimodal_tokens", None)
        if count is None or not self.picture_in_tokens or not sizes:
            return None
        try:
            found = count(image_sizes=[list(size) for size in sizes]).num_image_tokens
            return [int(number) for number in found]
        except Exception:  # private in transformers, and only a forecast: the length is checked again when it is known
            return None

    def other_masks(self, inputs: ModelInputs) -> dict[str, Tensor]:
        """Masks of sites that are in neither span, by name."""
        del inputs
        return {}

    def append(self, inputs: ModelInputs, tokens: Sequence[int]) -> ModelInputs:
        """The same prompts followed by `tokens`, for candidates of several tokens."""
        ids = inputs["input_ids"]
        more = torch.tensor(tokens, device=ids.device).expand(len(ids), -1)
        longer = {"input_ids": torch.cat([ids, more], dim=1)}
        for name, entry in self.appended.items():
            if name in inputs:
                longer[name] = torch.cat([inputs[name], torch.full_like(more, entry, dtype=inputs[name].dtype)], dim=1)
        return {**inputs, **longer}

    def forward(self, inputs: ModelInputs, keep: int) -> Tensor:
        """One pass without a cache: logits of the last `keep` positions, (batch, keep, vocabulary)."""
        logits: Tensor = self.model(**_fresh(inputs), use_cache=False, logits_to_keep=keep).logits
        return logits


def _fresh(inputs: Mapping[str, Any]) -> ModelInputs:
    """Copy nested mappings: some models modify the ones they receive."""
    return {name: dict(value) if isinstance(value, dict) else value for name, value in inputs.items()}


def _repeated(encoded: Any, counts: Sequence[int], chosen: Sequence[int]) -> Any:
    """A vision part's output for other rows: its projected features, or its last states if there is no projection."""
    key = "pooler_output" if encoded.get("pooler_output") is not None else "last_hidden_state"
    features = encoded[key]
    kept = {name: value for name, value in encoded.items() if name not in UNPROJECTED}
    if not isinstance(features, Tensor):
        return type(encoded)(**{**kept, key: [features[picture] for picture in chosen]})
    tokens = features.shape[1:-1].numel()  # what an entry stands for: a picture, a tile of it, or one token
    parts = features.split([count // tokens for count in counts])
    return type(encoded)(**{**kept, key: torch.cat([parts[picture] for picture in chosen])})


def soft_cap(model: Any, logits: Tensor) -> Tensor:
    """Logits with a soft cap, c·tanh(z / c), if the configuration has one."""
    limit = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    return logits if limit is None else limit * torch.tanh(logits / limit)
