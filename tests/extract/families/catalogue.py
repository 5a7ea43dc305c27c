"""Every supported family as a tiny checkpoint: one line each."""

from transformers import Qwen2_5_VLProcessor

from tests.extract.families import cambrian, fuyu, qwen, special
from tests.extract.families.llava import llava_config, llava_processor
from tests.extract.families.tiny import Family

FAMILIES = (
    Family("llava", llava_config, llava_processor),
    Family("qwen2_vl", qwen.qwen2_vl, qwen.qwen2_processor, pictures=qwen.PICTURES),
    Family("qwen2_5_vl", qwen.qwen2_5_vl, lambda: qwen.qwen2_processor(Qwen2_5_VLProcessor), pictures=qwen.PICTURES),
    Family("qwen3_vl", qwen.qwen3_vl, qwen.qwen3_processor, pictures=qwen.PICTURES),
    Family("qwen3_vl_moe", qwen.qwen3_vl_moe, qwen.qwen3_processor, pictures=qwen.PICTURES),
    *special.FAMILIES,
    fuyu.FAMILY,
    *cambrian.FAMILIES,
)
