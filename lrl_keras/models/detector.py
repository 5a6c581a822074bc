"""What every network here has in common: faces in, a label and perhaps more out."""

import keras

from lrl_keras.losses import LabelLoss, SegmentationLoss, SimilarityLoss
from lrl_keras.metrics import EqualErrorRate
from lrl_keras.optimizers import AdamL2

LOSS_WEIGHTS = {"label": 1.0, "similarity": 10.0, "mask": 1.0}


class Detector(keras.Model):
    """A functional model whose outputs are a dict with `"label"` and perhaps more.

    Whatever it is compiled for and fed with may hold the targets of every output that a network
    of this package can have; those of outputs that this one lacks are left out.

    Attributes:
        image_size: side S of the input in pixels.
        patches: k of the output `"similarity"`, where there is one.
        crop_margin: side of the face crop over the longer side of the detected face.
        crop_size: side in pixels to which crops were resized in the training records.
    """

    @property
    def stages(self):
        """The backbones' parts, which pretrained weights are loaded into: a list of models."""
        return [
            layer
            for layer in self.layers
            if isinstance(layer, keras.Model) and layer.name != "decoder"
        ]

    def compile(self, optimizer=None, loss=None, loss_weights=None, metrics=None, **kwargs):
        """Compile with the paper's settings where nothing else is said.

        Args:
            optimizer: defaults to `AdamL2()`.
            loss: defaults to `LabelLoss` for `"label"` (Eq. 11), `SimilarityLoss`
                (Eq. 10) and `SegmentationLoss` for `"mask"` (Eq. 12).
            loss_weights: defaults to 1, 10 and 1 in that order (Eq. 13, Sec. 4.1).
            metrics: defaults to accuracy, AUC and EER of `"label"`.
            **kwargs: further arguments of `keras.Model.compile`.
        """
        if loss is None:
            loss = {"label": LabelLoss()}
            if "similarity" in self.output:
                loss["similarity"] = SimilarityLoss(self.patches)
            if "mask" in self.output:
                loss["mask"] = SegmentationLoss()
            if loss_weights is None:
                loss_weights = LOSS_WEIGHTS
        if metrics is None:
            # Keras puts the output's name before the metric's where there are several outputs.
            prefix = "label_" if len(self.output) == 1 else ""
            metrics = {
                "label": [
                    keras.metrics.BinaryAccuracy(name=f"{prefix}accuracy"),
                    keras.metrics.AUC(num_thresholds=1000, name=f"{prefix}auc"),
                    EqualErrorRate(name=f"{prefix}eer"),
                ]
            }
        super().compile(
            optimizer=AdamL2() if optimizer is None else optimizer,
            loss=self._supervised(loss),
            loss_weights=self._supervised(loss_weights),
            metrics=metrics,
            **kwargs,
        )

    def compile_from_config(self, config):
        """Compile as before saving; Keras leaves this to models with a `compile` of their own."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return super().compute_loss(
            x, self._supervised(y), y_pred, self._supervised(sample_weight), training
        )

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(
            x, self._supervised(y), y_pred, self._supervised(sample_weight)
        )

    def _supervised(self, targets):
        """What belongs to the outputs that this model has."""
        if not isinstance(targets, dict):
            return targets
        return {name: target for name, target in targets.items() if name in self.output}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)


def checked_integer(name, value, least, most):
    """`value` as int; bounded, so that a stranger's configuration cannot ask for all of memory."""
    if int(value) != value or not least <= value <= most:
        raise ValueError(
            f"`{name}` must be an integer from {least} to {most}. Received: {name}={value}"
        )
    return int(value)
