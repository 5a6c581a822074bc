"""Reader, without PyTorch, of state dicts that `torch.save` wrote before PyTorch 1.6."""

import collections
import io
import pickle

import numpy as np

_MAGIC = 0x1950A86A20F9469CFC6C


def read(content):
    """Read a state dict without running any code that its pickle may name.

    Args:
        content: bytes of the file.

    Returns:
        dict of arrays, in the order of the file.

    Raises:
        pickle.UnpicklingError: on anything but a state dict of float32 and int64 tensors.
    """
    file = io.BytesIO(content)
    if _Unpickler(file).load() != _MAGIC:
        raise pickle.UnpicklingError("no state dict in PyTorch's format of before 1.6")
    for _ in ("protocol version", "system information"):
        _Unpickler(file).load()
    unpickler = _Unpickler(file)
    arrays = unpickler.load()
    # The values follow the pickles. The arrays are views of the storages that are filled here.
    for key in _Unpickler(file).load():
        storage = unpickler.storages[key]
        count = int.from_bytes(file.read(8), "little")
        if count != storage.size or file.readinto(storage) != storage.nbytes:
            raise pickle.UnpicklingError(f"{storage.size} numbers expected in storage {key}")
    return dict(arrays)


def _tensor(storage, offset, shape, strides, *_):
    # NumPy raises an error where the view would leave the buffer.
    size = storage.itemsize
    return np.ndarray(
        shape, storage.dtype, storage, offset * size, [stride * size for stride in strides]
    )


# All that a pickle may name, and what is used for it.
_ALLOWED = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, file):
        super().__init__(file)
        self.storages = {}

    def find_class(self, module, name):
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed") from None

    def persistent_load(self, identifier):
        _, dtype, key, _, count, _ = identifier
        if key not in self.storages:
            self.storages[key] = np.zeros(count, dtype)
        return self.storages[key]
