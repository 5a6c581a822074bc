import keras
import pytest
import tensorflow as tf

from lrl_keras import LRL, layers
from lrl_keras.models import BACKBONES, build, multiply_adds

MARKS = {
    "efficientnet_b4": [pytest.mark.long, pytest.mark.tensorflow],
    "efficientnet_b0": pytest.mark.tensorflow,
    "efficientnet_lite1": pytest.mark.tensorflow,
    "efficientnet_lite2": pytest.mark.tensorflow,
    "xception": [pytest.mark.slow, pytest.mark.tensorflow],
    "mobilenet_v3_small": pytest.mark.tensorflow,
}
EVERY = [pytest.param(name, marks=MARKS.get(name, ())) for name in BACKBONES]
PRODUCTS = ("Conv2D", "DepthwiseConv2dNative", "MatMul", "BatchMatMulV2")


def profiled(model):
    """Multiply-adds of convolutions and matrix products, counted by TensorFlow's profiler."""
    specs = [tf.TensorSpec((1, *tensor.shape[1:]), tf.float32) for tensor in model.inputs]
    step = tf.function(lambda *images: model(list(images) if len(images) > 1 else images[0]))
    graph = step.get_concrete_function(*specs).graph
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    root = tf.compat.v1.profiler.profile(graph, options=options)
    products = {op.name for op in graph.get_operations() if op.type in PRODUCTS}
    counted, nodes = 0, [root]
    while nodes:
        node = nodes.pop()
        nodes.extend(node.children)
        counted += node.float_ops if node.name in products else 0
    return counted // 2


def one(layer, *shapes):
    images = [keras.Input(shape) for shape in shapes]
    return keras.Model(images, layer(images if len(images) > 1 else images[0]))


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (layers.FrequencyFilter(), [(32, 20, 3)]),
        (layers.FrequencyFilter(1.2), [(17, 30, 1)]),
        (layers.BilinearResize(10, 20), [(19, 17, 5)]),
        (layers.PatchSimilarity(5), [(10, 11, 7)]),
        (layers.RFAM(), [(8, 9, 4)] * 2),
        (layers.FAD(), [(17, 17, 3)]),
        (layers.LFS(), [(32, 20, 3)]),
        (layers.LFS(4, window=8), [(17, 30, 1)]),
        (layers.MixBlock(), [(9, 9, 4)] * 2),
        (keras.layers.Conv2D(6, 3, strides=2), [(19, 17, 4)]),
        (keras.layers.DepthwiseConv2D(3, depth_multiplier=2), [(19, 17, 4)]),
        (keras.layers.SeparableConv2D(6, 3, padding="same"), [(19, 17, 4)]),
        (keras.layers.Dense(7), [(19,)]),
    ],
)
def test_layers_cost_what_the_profiler_counts(layer, shapes):
    model = one(layer, *shapes)
    assert multiply_adds(model)["total"] == profiled(model) > 0


@pytest.mark.tensorflow
@pytest.mark.parametrize("decoder", ["light", "deepfakebench"])
def test_lrl_costs_what_the_profiler_counts(decoder):
    model = LRL("tiny", image_size=96, decoder=decoder)
    assert multiply_adds(model)["total"] == profiled(model)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("name", "size", "billions"),
    [
        # As the papers of these networks give them.
        ("EfficientNetB0", 224, 0.39),
        ("MobileNetV3Small", 224, 0.056),
        pytest.param("Xception", 299, 8.4, marks=pytest.mark.slow),
    ],
)
def test_known_networks(name, size, billions):
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3))
    assert multiply_adds(model)["total"] / 1e9 == pytest.approx(billions, rel=0.02)


@pytest.mark.parametrize("name", EVERY)
def test_light_decoder_is_less_than_a_quarter_of_the_encoders(name):
    model = LRL(name, image_size=299)
    parts = multiply_adds(model)
    streams = [f"{stream}_{level}" for stream in ("rgb", "frequency") for level in
               ("low", "mid", "high")]  # fmt: skip
    encoders = sum(parts[stream] for stream in streams)
    assert 0 < parts["decoder"] < 0.25 * encoders
    assert parts["total"] == sum(parts.values()) - parts["total"]
    expected = {*streams, "frequency_filter", "rfam_low", "rfam_mid", "rfam_high", "resize_low",
                "resize_mid", "similarity", "label", "decoder", "total"}  # fmt: skip
    assert set(parts) == expected
    # The paper's patches: the high map of both named backbones is 10 x 10, 2 x 2 a patch.
    assert model.get_layer("similarity").input.shape[1:3] == (10, 10)


def test_deepfakebench_decoder_costs_more_than_both_encoders_of_tiny():
    parts = multiply_adds(LRL("tiny", image_size=96, decoder="deepfakebench"))
    encoders = sum(value for name, value in parts.items() if name.startswith(("rgb", "frequency_")))
    assert parts["decoder"] > encoders


def test_a_resize_to_the_same_size_costs_nothing():
    assert multiply_adds(one(layers.BilinearResize(8, 9), (8, 9, 4))) == {"total": 0}


def test_a_sequence_costs_its_frames():
    small = {"image_size": 32, "growth": 4, "depth": 1, "units": 3}
    costs = [multiply_adds(build("two_branch", frames=frames, **small)) for frames in (2, 6)]
    assert {name: 3 * cost for name, cost in costs[0].items()} == costs[1]
    # Maps of 8 x 8 x 8, three scales: two products with 8 x 8 matrices, and 8 filters.
    assert costs[0]["log_filter"] == 2 * (3 * 8 * 8 * 8) * (8 + 8 + 8)
    features = build("two_branch", frames=2, **small).get_layer("embedding").input.shape[-1]
    # Four gates of three units, both ways, of the features and of the state.
    assert costs[0]["embedding"] == 2 * 2 * 12 * (features + 3)
