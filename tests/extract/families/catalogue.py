"""Every supported family as a tiny checkpoint: one line each."""

from tests.extract.families.llava import llava_config, llava_processor
from tests.extract.families.tiny import Family

FAMILIES = (Family("llava", llava_config, llava_processor),)
