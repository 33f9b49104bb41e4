"""The book's training plans, the variants that they compare, and the checkpoints that they leave."""

from rpstn.train.recipes.checkpoints import find_checkpoints, run_folder, shipped_checkpoints
from rpstn.train.recipes.image import IMAGE_VARIANTS, ImageRecipe
from rpstn.train.recipes.variants import TITLES, VARIANTS
from rpstn.train.recipes.video import ImagePretraining, Recipe

__all__ = [
    "IMAGE_VARIANTS",
    "TITLES",
    "VARIANTS",
    "ImagePretraining",
    "ImageRecipe",
    "Recipe",
    "find_checkpoints",
    "run_folder",
    "shipped_checkpoints",
]
