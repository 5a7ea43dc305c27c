"""LLaVA-1.5's two stages written down a second time, plainly, without this project's code.

One record at a time and without padding; own reading, mask, pictures, order, clipping and AdamW. Of the libraries it
uses the model's passes, the tokenizer and Pillow. What it shares with the trainer is what docs/training.md promises:
weights drawn by the seed, an order of records by the seed, the mean over all tokens of the answers of a step.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import (
    AutoTokenizer,
    CLIPVisionConfig,
    CLIPVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
    LlavaConfig,
    LlavaForConditionalGeneration,
)

PATCHES, SIDE, IMAGE, PAD, ROWS = 576, 336, 32_000, 32_001, 32_064
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
SYSTEM = (
    "A chat between a curious human and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the human's questions."
)


@dataclass(frozen=True)
class PlainStage:
    """What a stage does; `data` and `images` are below the folder of the data."""

    data: str
    images: str
    plain: bool
    pad: bool
    rate: float
    grouped: bool
    trained: tuple[str, ...]


@dataclass(frozen=True)
class PlainRecord:
    """Ids and labels of one record, each a list, and its picture of shape (3, 336, 336)."""

    ids: list[int]
    labels: list[int]
    pixels: np.ndarray | None


STAGES = (
    PlainStage(
        "LLaVA-Pretrain/blip_laion_cc_sbu_558k.json", "LLaVA-Pretrain/images", plain=True, pad=False, rate=1e-3,
        grouped=False, trained=("model.multi_modal_projector.",),
    ),
    PlainStage(
        "llava_v1_5_mix665k.json", ".", plain=False, pad=True, rate=2e-3, grouped=True,
        trained=("model.multi_modal_projector.", "model.language_model.", "lm_head."),
    ),
)  # fmt: skip


def read_records(folder: Path, stage: PlainStage, tokenizer) -> list[PlainRecord]:
    """All records of a stage in the order of the file."""
    made = []
    for raw in json.loads((folder / stage.data).read_text(encoding="utf-8")):
        said = [turn["value"].replace("<image>", "").strip() for turn in raw["conversations"]]
        if raw["conversations"][0]["from"] == "gpt":
            said = said[1:]
        has_picture = "image" in raw
        text, answers = caption(said) if stage.plain else vicuna(said, has_picture)
        ids, labels = with_labels(text, answers, tokenizer)
        pixels = prepare_pixels(folder / stage.images / raw["image"], pad=stage.pad) if has_picture else None
        made.append(PlainRecord(ids, labels, pixels))
    return made


def caption(said: list[str]) -> tuple[str, list[str]]:
    """Stage 1: the picture, then its caption; texts up to which, and up to whose answers, the conversation goes."""
    return "<image>" + said[1] + "\n", ["<image>", "<image>" + said[1] + "\n"]


def vicuna(said: list[str], has_picture: bool) -> tuple[str, list[str]]:
    """Stage 2: the whole text, and its beginnings up to each answer and up to its end."""
    text, ends = SYSTEM + " ", []
    for place, one in enumerate(said):
        if place % 2 == 0:
            text += "USER: " + ("<image>\n" if has_picture and place == 0 else "") + one + " ASSISTANT:"
        else:
            text += " " + one + "</s>"
        ends.append(text)
    return text, ends


def with_labels(text: str, ends: list[str], tokenizer) -> tuple[list[int], list[int]]:
    """Tokens of the beginnings are counted, as LLaVA's own trainer does; the picture's tokens come last."""
    ids = tokenizer(text).input_ids
    counts = [len(tokenizer(end).input_ids) for end in ends]
    learned = [
        any(start <= place < stop for start, stop in zip(counts[::2], counts[1::2], strict=True))
        for place in range(len(ids))
    ]
    found_ids, found_labels = [], []
    for one, learn in zip(ids, learned, strict=True):
        times = PATCHES if one == IMAGE else 1
        found_ids += [one] * times
        found_labels += [one if learn else -100] * times
    return found_ids, found_labels


def prepare_pixels(path: Path, *, pad: bool) -> np.ndarray:
    """As CLIP's preprocessing: padded with the mean colour or cropped, 336 x 336, normalised."""
    picture = Image.open(path).convert("RGB")
    width, height = picture.size
    if pad:
        side = max(width, height)
        square = Image.new("RGB", (side, side), tuple(int(255 * value) for value in MEAN))
        square.paste(picture, ((side - width) // 2, (side - height) // 2))
        picture = square.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    else:
        short = min(width, height)
        wide, high = (int(SIDE * edge / short) for edge in (width, height))
        left, top = (wide - SIDE) // 2, (high - SIDE) // 2
        picture = picture.resize((wide, high), Image.Resampling.BICUBIC).crop((left, top, left + SIDE, top + SIDE))
    scaled = (np.asarray(picture, np.float64) / 255 - MEAN) / STD
    return scaled.transpose(2, 0, 1).astype(np.float32)


def order_of(records: list[PlainRecord], stage: PlainStage, batch: int, steps: int, seed: int) -> list[list[int]]:
    """Numbers of the records of each step."""
    found: list[list[int]] = []
    number = 0
    while len(found) < steps:
        rng = np.random.default_rng([seed, number])
        everyone = list(range(len(records)))
        with_picture = [index for index in everyone if records[index].pixels is not None]
        groups = (
            [with_picture, [index for index in everyone if index not in with_picture]] if stage.grouped else [everyone]
        )
        batches, ends = [], []
        for group in groups:
            mixed = [group[place] for place in rng.permutation(len(group))]
            if stage.grouped:  # the data of these tests is one megabatch of 50 batches
                mixed.sort(key=lambda index: -len(records[index].ids))
            whole = len(mixed) // batch * batch
            batches += [mixed[start : start + batch] for start in range(0, whole, batch)]
            ends += mixed[whole:]
        missing = -len(ends) % batch
        ends += rng.choice(len(records), missing, replace=missing > len(records)).tolist()
        batches += [ends[start : start + batch] for start in range(0, len(ends), batch)]
        found += [batches[place] for place in rng.permutation(len(batches))]
        number += 1
    return found[:steps]


def read_tokenizer(folder: Path):
    """Vicuna's, with the picture's token and one for padding."""
    tokenizer = AutoTokenizer.from_pretrained(folder / "language")
    tokenizer.add_tokens(["<image>"], special_tokens=True)
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    assert tokenizer.convert_tokens_to_ids(["<image>", "<pad>"]) == [IMAGE, PAD]
    return tokenizer


def build_model(folder: Path, seed: int) -> LlavaForConditionalGeneration:
    """Both parts, and a projector drawn by the seed; rows of the new tokens are the mean of the others."""
    text = LlamaConfig.from_pretrained(folder / "language", vocab_size=ROWS, pad_token_id=PAD)
    vision = CLIPVisionConfig.from_pretrained(folder / "vision")
    config = LlavaConfig(
        text_config=text, vision_config=vision, image_token_index=IMAGE, vision_feature_layer=-2,
        vision_feature_select_strategy="default", tie_word_embeddings=False,
    )  # fmt: skip
    torch.manual_seed(seed)
    model = LlavaForConditionalGeneration(config).float()
    weights = model.state_dict()
    parts = (
        (LlamaForCausalLM.from_pretrained(folder / "language"), "model.", "model.language_model."),
        (CLIPVisionModel.from_pretrained(folder / "vision"), "", "model.vision_tower."),
    )
    for part, before, after in parts:
        for name, value in part.state_dict().items():
            target = weights[name if name == "lm_head.weight" else after + name.removeprefix(before)]
            target[: len(value)] = value
            target[len(value) :] = value.mean(0)
    return model


class AdamW:
    """Loshchilov and Hutter's update without weight decay, written out; betas 0.9 and 0.999."""

    def __init__(self, weights: list[torch.Tensor]) -> None:
        self.weights = weights
        self.first, self.second = ([torch.zeros_like(weight) for weight in weights] for _ in range(2))
        self.step_number = 0

    @torch.no_grad()
    def step(self, rate: float) -> None:
        self.step_number += 1
        for weight in self.weights:
            weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad  # a step of text alone
        norm = math.sqrt(sum(float(weight.grad.square().sum()) for weight in self.weights))
        scale = min(1.0, 1.0 / (norm + 1e-6))
        for weight, first, second in zip(self.weights, self.first, self.second, strict=True):
            gradient = weight.grad * scale
            first += 0.1 * (gradient - first)
            second += 0.001 * (gradient.square() - second)
            mean = first / (1 - 0.9**self.step_number)
            square = second / (1 - 0.999**self.step_number)
            weight -= rate * mean / (square.sqrt() + 1e-8)
            weight.grad = None


def rate_at(step: int, steps: int, peak: float) -> float:
    """Learning rate of a step, counted from 0: rises over 3 % of the steps, then falls as a cosine to 0."""
    warm = math.ceil(0.03 * steps)
    if step < warm:
        return peak * step / warm
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def train(model, records: list[PlainRecord], stage: PlainStage, batches: list[list[int]]) -> list[float]:
    """The loss before each step of a stage, nats per token of an answer; the model is changed in place."""
    for name, weight in model.named_parameters():
        weight.requires_grad_(name.startswith(stage.trained))
    optimiser = AdamW([weight for weight in model.parameters() if weight.requires_grad])
    losses = []
    for step, batch in enumerate(batches):
        answers = sum(label != -100 for index in batch for label in records[index].labels)
        total = 0.0
        for index in batch:
            record = records[index]
            pixels = {} if record.pixels is None else {"pixel_values": torch.from_numpy(record.pixels)[None]}
            logits = model(input_ids=torch.tensor([record.ids]), **pixels).logits[0]
            (places,) = np.nonzero(np.array(record.labels) != -100)
            wanted = torch.tensor(record.ids)[places]
            chosen = torch.log_softmax(logits[places - 1], dim=-1)[range(len(places)), wanted]
            loss = -chosen.sum() / answers
            loss.backward()
            total += loss.item()
        optimiser.step(rate_at(step, len(batches), stage.rate))
        losses.append(total)
    return losses
