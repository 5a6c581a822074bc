"""JSON to images and outputs to JSON, in the row and column formats of TensorFlow Serving.

Reference: https://www.tensorflow.org/tfx/serving/api_rest
"""

import functools
import itertools
import json
from typing import Any

import numpy as np

from lrl_keras.serving.network import DEFAULT, SIGNATURES
from lrl_keras.serving.problems import Problem
from lrl_keras.serving.values import contents, is_b64, kind, pixels


class Call:
    """One request to predict: its signature, its images and its answer.

    Attributes:
        signature: one of `SIGNATURES`; `"unknown"` until it is known.
        images: after `read`, uint8 or float32 (N, S, S, 3), RGB, 0..255.
    """

    def __init__(self, network, max_images):
        self.signature = "unknown"
        self.images: Any = None
        self._network = network
        self._max_images = max_images
        self._columns = False

    def read(self, body):
        """Take signature and images out of a request's body.

        Args:
            body: bytes of a JSON object with `instances` or `inputs`, and `signature_name`.

        Raises:
            Problem: 400, with one line that names the instance and what is wrong with it.
        """
        size = self._network.image_size
        # Before JSON is read: an empty list takes twenty times the memory of its two brackets.
        if body.count(b"[") + body.count(b"{") > self._max_images * (size * size + size + 3) + 8:
            raise Problem(400, f"the body holds more lists than {self._max_images} images have")
        content = _json(body)
        if not isinstance(content, dict):
            raise Problem(400, f"the body is {kind(content)}, expected an object")
        self.signature = _signature(content)
        entry = SIGNATURES[self.signature]
        if ("instances" in content) == ("inputs" in content):
            raise Problem(400, "give either 'instances' (rows) or 'inputs' (columns)")
        self._columns = "inputs" in content
        values = _column(content["inputs"], entry) if self._columns else content["instances"]
        key = "inputs" if self._columns else "instances"
        if not isinstance(values, list):
            raise Problem(400, f"'{key}' is {kind(values)}, expected a list of {entry}")
        if not values:
            raise Problem(400, f"'{key}' is empty, expected a list of {entry}")
        if entry == "images" and _is_image(values):
            raise Problem(400, f"'{key}' is one image, expected a list of them: put it in brackets")
        if len(values) > self._max_images:
            raise Problem(
                400,
                f"{len(values)} {entry} in one request, at most {self._max_images} are taken; "
                "send them in several",
            )
        if not self._columns:
            values = [_row(value, entry, f"instance {i}") for i, value in enumerate(values)]
        if self.signature != "serve_bytes" and all(map(is_b64, values)):
            raise Problem(
                400, f'{self.signature} takes lists of numbers; for {{"b64": ...}} add '
                '"signature_name": "serve_bytes"',
            )  # fmt: skip
        take = self._decoded if entry == "image_bytes" else self._pixels
        self.images = np.stack([take(value, f"instance {i}") for i, value in enumerate(values)])

    def answer(self, outputs):
        """Write the body of the response.

        Args:
            outputs: dict of float32 arrays (N, ...), at least those of the signature.

        Returns:
            bytes of JSON.

        Raises:
            Problem: 500, if a number is not finite.
        """
        names = self._network.outputs(self.signature)
        for name in names:
            if not np.isfinite(outputs[name]).all():
                raise Problem(500, f"the network gives a {name} that is not finite")
        if self._columns:
            answer = _one_or_named({name: _list(map(_text, outputs[name])) for name in names})
            return f'{{"outputs": {answer}}}'.encode()
        rows = (
            _one_or_named({name: _text(outputs[name][row]) for name in names})
            for row in range(len(self.images))
        )
        return f'{{"predictions": {_list(rows)}}}'.encode()

    def _decoded(self, value, name):
        from lrl_keras.serving import crops  # Imports TensorFlow.

        network = self._network
        return crops.face(contents(value, name), network.crop_size, network.image_size, name)

    def _pixels(self, value, name):
        network = self._network
        return pixels(value, network.image_size, network.input_type == "uint8", name)


def _json(body):
    if not body:
        raise Problem(400, 'the body is empty, expected {"instances": [...]}')
    try:
        # `json.loads` would take UTF-16 as well.
        return json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise Problem(400, f"the body is not UTF-8 (at byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise Problem(400, f"the body is no JSON ({error})") from None
    except RecursionError:
        raise Problem(400, "the body holds lists that are nested too deeply") from None
    except ValueError:
        raise Problem(400, "the body holds a number of too many digits") from None


def _no_constant(name):
    raise Problem(400, f"the body holds {name}, expected finite numbers")


def _signature(content):
    name = content.get("signature_name", "")
    if not isinstance(name, str):
        raise Problem(400, f"'signature_name' is {kind(name)}, expected a string")
    name = name or DEFAULT
    if name not in SIGNATURES:
        raise Problem(
            400, f"no signature is called {name[:100]!a}; there are {', '.join(SIGNATURES)}"
        )
    return name


def _column(inputs, entry):
    if isinstance(inputs, dict) and not is_b64(inputs):
        return _named(inputs, entry, "'inputs'")
    return inputs


def _row(instance, entry, name):
    if isinstance(instance, dict) and not is_b64(instance):
        return _named(instance, entry, name)
    return instance


def _named(values, entry, name):
    if list(values) != [entry]:
        found = ", ".join(f"{key[:30]!a}" for key in itertools.islice(values, 3)) or "nothing"
        raise Problem(400, f"{name}: holds {found}, expected {entry!r} alone")
    return values[entry]


def _is_image(value):
    """Return whether the first number lies as deep as in rows of pixels of channels."""
    for _ in range(3):
        if not isinstance(value, list) or not value:
            return False
        value = value[0]
    return isinstance(value, int | float)


def _one_or_named(texts):
    if len(texts) == 1:
        return next(iter(texts.values()))
    return "{" + ", ".join(f'"{name}": {text}' for name, text in texts.items()) + "}"


def _list(texts):
    return f"[{', '.join(texts)}]"


def _text(array):
    return _template(array.shape) % tuple(array.ravel().tolist())


@functools.lru_cache(8)  # One a shape, some 100 kB.
def _template(shape):
    if not shape:
        return "%.9g"  # As many digits as tell every two float32 apart.
    return _list([_template(shape[1:])] * shape[0])
