from .config import ModelSpec as ModelSpec
from .datasets.item import Dataset as Dataset
from .datasets.item import Item as Item
from .extraction import extract as extract
from .extraction import load_dataset as load_dataset
from .models.registry import register as register
from .run.extract_run import Outcome as Outcome
