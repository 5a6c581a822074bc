"""What every source's refusal has to be."""

import pytest

from lrl_keras.errors import InputError


def one_line_error(find, root, *words, **options):
    """Assert that `find(root, **options)` is refused in one line that has all of `words`."""
    with pytest.raises(InputError) as error:
        find(root, **options)
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in words), message
