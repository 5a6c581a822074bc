"""Calibration of a detector's scores on validation faces."""

import numpy as np
from scipy import special
from sklearn import linear_model

from lrl_keras import data

# Passes over the validation faces: the first as they are, the others through random degradations.
_PASSES = 8


def calibrate(network, records):
    """Scale and shift a network's logits so that its scores are probabilities (Platt 1999).

    They are fitted to the validation faces as they are and as the augmentation `video` leaves them,
    and become part of the weights of the label's layer.

    Args:
        network: a detector with a layer `"label"`; changed in place.
        records: folder of records whose split `val` is fitted to.

    Returns:
        (scale, shift).
    """
    logits, labels = [], []
    for draw in range(_PASSES):
        augment = "video" if draw else "none"
        batches = data.load(
            records, "val", 32, image_size=network.image_size, augment=augment, epoch=draw
        )
        for images, targets, _ in batches:
            scores = np.asarray(network.predict_on_batch(images)["label"], np.float64)[:, 0]
            logits.extend(special.logit(np.clip(scores, 1e-7, 1 - 1e-7)))
            labels.extend(np.asarray(targets["label"])[:, 0])
    fitted = linear_model.LogisticRegression(C=np.inf, class_weight="balanced")
    fitted.fit(np.array(logits)[:, None], np.array(labels) > 0.5)
    scale, shift = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    kernel, bias = network.get_layer("label").get_weights()
    network.get_layer("label").set_weights([scale * kernel, scale * bias + shift])
    return scale, shift
