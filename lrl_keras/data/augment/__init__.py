"""Augmentations of training examples."""

from lrl_keras.data.augment.choices import AUGMENTATIONS, augmentation

__all__ = ["AUGMENTATIONS", "augmentation"]
