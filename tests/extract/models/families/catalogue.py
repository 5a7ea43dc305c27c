"""Every supported family as a tiny checkpoint: one line each."""

from transformers import Qwen2_5_VLProcessor

from tests.extract.models.families import cambrian, fuyu, gemma, llava, more, odd, others, qwen, special, toyvl
from tests.extract.models.families.tiny import Family, louder_attention

FAMILIES = (
    Family("llava", llava.llava_config, llava.llava_processor),
    Family("llava_next", llava.llava_next_config, llava.llava_next_processor, pictures=llava.TILED),
    Family("llava_onevision", llava.onevision_config, llava.onevision_processor, pictures=llava.TILED),
    Family("pixtral", llava.pixtral_config, llava.pixtral_processor, pictures=llava.TILED, slow=True),
    Family("mistral3", llava.mistral3_config, lambda: llava.pixtral_processor(2), pictures=llava.TILED),
    Family("qwen2_vl", qwen.qwen2_vl, qwen.qwen2_processor, pictures=qwen.PICTURES),
    Family("qwen2_5_vl", qwen.qwen2_5_vl, lambda: qwen.qwen2_processor(Qwen2_5_VLProcessor), pictures=qwen.PICTURES),
    Family("qwen3_vl", qwen.qwen3_vl, qwen.qwen3_processor, pictures=qwen.PICTURES),
    Family("qwen3_vl_moe", qwen.qwen3_vl_moe, qwen.qwen3_processor, pictures=qwen.PICTURES, slow=True),
    Family("qwen3_5", qwen.qwen3_5, qwen.qwen3_processor, pictures=qwen.PICTURES),
    Family("gemma3", gemma.gemma3_config, gemma.gemma3_processor),
    Family("gemma4_small", gemma.gemma4_small, gemma.gemma4_processor, pictures=qwen.PICTURES),
    Family("gemma4_large", gemma.gemma4_large, gemma.gemma4_processor, pictures=qwen.PICTURES),
    Family(
        "paligemma",
        gemma.paligemma_config,
        gemma.paligemma_processor,
        inputs=gemma.paligemma_inputs,
        continued=gemma.paligemma_continued,
    ),
    Family("internvl", others.internvl_config, others.internvl_processor, pictures=others.TILED),
    Family("idefics3", lambda: others.idefics_config("idefics3"), others.idefics3_processor, pictures=others.TILED),
    Family(
        "smolvlm",
        lambda: others.idefics_config("smolvlm"),
        others.smolvlm_processor,
        pictures=others.TILED,
        slow=True,
    ),
    Family("aya_vision", others.aya_config, others.aya_processor, pictures=others.TILED),
    Family("lfm2_vl", others.lfm2_config, others.lfm2_processor, pictures=others.TILED, prepare=louder_attention),
    Family("glm4v", others.glm4v_config, others.glm4v_processor, pictures=qwen.PICTURES),
    Family("granite4_vision", odd.granite_config, odd.granite_processor, pictures=odd.TILED),
    Family("molmo2", odd.molmo2_config, odd.molmo2_processor, pictures=llava.TILED),
    Family("phi4_multimodal", odd.phi4_config, odd.phi4_processor, model=odd.CAUSAL, pictures=odd.SQUARE, slow=True),
    Family("gemma3n", gemma.gemma3n_config, gemma.gemma3n_processor, prepare=gemma.gemma3n_prepare),
    Family("cohere2_vision", others.cohere2_config, others.cohere2_processor, pictures=others.TILED, slow=True),
    Family("vipllava", llava.vipllava_config, llava.llava_processor),  # no adapter of its own: the general one
    *special.FAMILIES,
    fuyu.FAMILY,
    toyvl.FAMILY,  # made up, and registered from outside the package
    *cambrian.FAMILIES,
    *more.FAMILIES,
)
