"""How a network is trained: the settings of a run, and networks built and compiled by them."""

import contextlib
import dataclasses
import math
import warnings

import keras
import tensorflow as tf

from lrl_keras.data.augment.choices import AUGMENTATIONS
from lrl_keras.data.records import names_of
from lrl_keras.errors import InputError
from lrl_keras.losses import LabelLoss, SegmentationLoss, SimilarityLoss
from lrl_keras.models import ARCHITECTURES, BACKBONES
from lrl_keras.models.decoder import DECODERS
from lrl_keras.optimizers import AdamL2
from lrl_keras.saving.run import CONFIG, Run
from lrl_keras.training.cpu import fixed_sums, fused_norm, pointwise

# The backbone of each architecture where none is named, and the settings that LRL alone has.
_BACKBONES = {"lrl": "efficientnet_b4", "classifier": "xception"}
_OF_LRL = (
    "patches",
    "alpha",
    "frequency",
    "rfam",
    "similarity",
    "head_norm",
    "attend_streams",
    "decoder",
    "similarity_weight",
    "mask_weight",
    "similarity_norm",
    "pixel_reduction",
)
_CHOICES = {
    "architecture": tuple(ARCHITECTURES),
    "backbone": tuple(BACKBONES),
    "decoder": DECODERS,
    "augment": AUGMENTATIONS,
    "pixel_reduction": ("mean", "sum"),
    "precision": ("auto", "float32", "mixed_float16", "mixed_bfloat16"),
}
_RANGES = (
    ("alpha", 0, 2),
    ("head_epochs", 0, 1_000_000),
    ("weight_decay", 0, 1),
    ("averaging", 0, 0.99999),
    ("label_weight", 0, 1_000_000),
    ("similarity_weight", 0, 1_000_000),
    ("mask_weight", 0, 1_000_000),
    ("seed", 0, 2**32 - 1),
)


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a run is trained; the defaults are the paper's (Sec. 4.1).

    Attributes:
        architecture: `"lrl"`, or `"classifier"` for the baseline of Tables 1 to 3.
        backbone: one of `lrl_keras.models.BACKBONES`; default: efficientnet_b4, xception for the
            classifier.
        image_size, patches, alpha, weights, frequency, rfam, similarity, head_norm,
            attend_streams, decoder: as in `lrl_keras.LRL`. The classifier has `image_size` and
            `weights` alone, and no loss but that of the label.
        start: run that training begins with the weights of, in place of `weights`; or
            `"default"`, the shipped detector. Its network must be the same but for `image_size`.
        methods: forgery methods that are trained on and chosen by, beside all real faces;
            default: all of the records.
        head_epochs: epochs at the beginning that leave the backbones as they are.
        frozen_norm: whether the backbones' BatchNormalization stays as it was at the start,
            statistics, scale and offset: small batches do not disturb it then.
        epochs: passes over the balanced training split.
        batch_size: faces a step, over all GPUs.
        learning_rate: of the first epoch.
        halve_every: epochs after which the learning rate is halved, each time.
        weight_decay: L2 factor that is added to the gradient.
        averaging: momentum of the average over the steps, whose weights are validated and kept in
            place of the last step's, which differ from step to step; 0: none.
        label_weight, similarity_weight, mask_weight: weights of the losses, Eq. (13).
        similarity_norm: `True` for Eq. (10) literally, see `SimilarityLoss`.
        pixel_reduction: `"sum"` for Eq. (12) literally, see `SegmentationLoss`.
        augment: `"flip"`, `"strong"`, `"video"` or `"none"`, as in `lrl_keras.data.load`.
        cache: keep the decoded training examples in memory; changes nothing but the speed.
        precision: `"float32"`, `"mixed_float16"`, `"mixed_bfloat16"`, or `"auto"` for mixed_float16
            on a GPU and float32 elsewhere.
        seed: of initial weights, order, augmentation and dropout.
    """

    architecture: str = "lrl"
    backbone: str | None = None
    image_size: int = 299
    patches: int = 5
    alpha: float = 0.33
    weights: str | None = "imagenet"
    frequency: bool = True
    rfam: bool | None = None
    similarity: bool = True
    head_norm: bool = True
    attend_streams: bool = True
    decoder: str = "light"
    start: str | None = None
    methods: tuple[str, ...] | None = None
    head_epochs: int = 0
    frozen_norm: bool = False
    epochs: int = 50
    batch_size: int = 32
    learning_rate: float = 2e-4
    halve_every: int = 10
    weight_decay: float = 1e-5
    averaging: float = 0.0
    label_weight: float = 1.0
    similarity_weight: float = 10.0
    mask_weight: float = 1.0
    similarity_norm: bool = False
    pixel_reduction: str = "mean"
    augment: str = "flip"
    cache: bool = False
    precision: str = "auto"
    seed: int = 0

    def __post_init__(self):
        if self.backbone is None:
            object.__setattr__(self, "backbone", _BACKBONES.get(self.architecture))
        # Comes back from JSON as a list.
        object.__setattr__(self, "methods", names_of(self.methods))
        for name in ("epochs", "batch_size", "halve_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, received {getattr(self, name)}")
        for name, least, most in _RANGES:
            value = getattr(self, name)
            if not least <= value <= most:
                raise InputError(f"{name} must be from {least} to {most}, received {value}")
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning_rate must be above 0, received {self.learning_rate}")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise InputError(
                    f"{name} must be one of {', '.join(choices)}, received {getattr(self, name)!r}"
                )
        if self.averaging and self.head_epochs >= self.epochs:
            raise InputError("averaging needs an epoch that trains all; head_epochs must be fewer")
        for field in dataclasses.fields(self):
            if (
                self.architecture != "lrl"
                and field.name in _OF_LRL
                and getattr(self, field.name) != field.default
            ):
                raise InputError(
                    f"{field.name} is of the architecture lrl; leave it out with "
                    f"{self.architecture!r}"
                )


def words(settings):
    """The settings that the architecture has, each as a bool, a number or a text."""
    given = dataclasses.asdict(settings)
    if settings.methods is not None:
        given["methods"] = ", ".join(settings.methods)
    if settings.rfam is None:
        given["rfam"] = settings.frequency
    return {
        name: "none" if value is None else value
        for name, value in given.items()
        if settings.architecture == "lrl" or name not in _OF_LRL
    }


def saved_settings(run):
    """The `Settings` that a run was started with: of a folder, or of a `lrl_keras.saving.Run`."""
    run = Run.open(run)
    try:
        return Settings(**run.settings)
    except TypeError as error:
        path = run.path(CONFIG)
        raise InputError(f"{path}: incomplete ({error}); the run cannot be resumed") from None


def build(settings, records):
    """The network of `settings`, knowing how the faces of the `Records` were cropped."""
    taken = ["backbone", "image_size", "weights"]
    if settings.architecture == "lrl":
        taken += ["patches", "alpha", "frequency", "rfam", "similarity"]
        taken += ["head_norm", "attend_streams", "decoder"]
    arguments = {name: getattr(settings, name) for name in taken}
    arguments |= {"crop_size": records.image_size, "crop_margin": records.margin or 1.3}
    try:
        model = ARCHITECTURES[settings.architecture](**arguments)
    except ValueError as error:
        raise InputError(str(error)) from error
    if "similarity" in model.output:
        _warn_of_uneven_patches(model)
    return model


def _warn_of_uneven_patches(model):
    side, patches = model.get_layer("similarity").input.shape[1], model.patches
    if side % patches:
        warnings.warn(
            f"image_size={model.image_size} gives a last map of {side} x {side} pixels, which "
            f"{patches} x {patches} patches do not divide: those at the border are smaller or "
            f"empty, and lie elsewhere than the mask's. image_size={32 * patches} or "
            f"{64 * patches} would fit",
            stacklevel=1,
        )


def compile(model, settings):
    """Compile `model` with the losses and the optimizer of `settings`."""
    if settings.frozen_norm:
        for stage in model.stages:
            for layer in stage._flatten_layers():
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.trainable = False
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    if not on_gpu:
        # XLA, which would do as much by itself, is slow at depthwise convolutions on a CPU.
        fused_norm.fuse(model)
        pointwise.as_products(model)
        fixed_sums.fix(model)
    model.compile(
        optimizer=AdamL2(
            settings.learning_rate,
            settings.weight_decay,
            use_ema=settings.averaging > 0,
            ema_momentum=settings.averaging,
        ),
        loss={
            "label": LabelLoss(),
            "similarity": SimilarityLoss(settings.patches, norm=settings.similarity_norm),
            "mask": SegmentationLoss(settings.pixel_reduction),
        },
        loss_weights={
            "label": settings.label_weight,
            "similarity": settings.similarity_weight,
            "mask": settings.mask_weight,
        },
        jit_compile=on_gpu,
    )
    _build_losses(model)


def _build_losses(model):
    # Keras makes the losses' variables in the first step, and TensorFlow traces a function again
    # that has made variables: with them there already, once is enough.
    outputs = {
        name: keras.ops.zeros((1, *tensor.shape[1:])) for name, tensor in model.output.items()
    }
    mask = keras.ops.zeros((1, model.image_size, model.image_size, 1))
    targets = {"label": outputs["label"], "similarity": mask, "mask": mask}
    model.compute_loss(y=targets, y_pred=outputs)
    model.reset_metrics()


def load_compiled(run):
    """The network of a run, compiled as `train` compiles it, with the precision of its settings.

    Args:
        run: folder that `train` or `lrl_keras.save` wrote; where it has no settings the
            defaults are taken.

    Raises:
        InputError: as `lrl_keras.load`.
    """
    run = Run.open(run)
    if run.settings is not None:
        settings = saved_settings(run)
    else:
        settings = Settings(patches=run.patches or Settings.patches)
    make_repeatable(settings.seed)
    with precision(settings.precision):
        model = run.network()
    compile(model, settings)
    return model


def make_repeatable(seed):
    """Let what follows give the same numbers each time, on a CPU to the last bit."""
    keras.utils.set_random_seed(seed)
    if not tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()


@contextlib.contextmanager
def precision(name):
    """The dtype policy of a setting, for as long as the context lasts."""
    if name == "auto":
        name = "mixed_float16" if tf.config.list_physical_devices("GPU") else "float32"
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.mixed_precision.set_dtype_policy(before)
