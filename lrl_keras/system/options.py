"""What a source lets its user choose, declared once for Python and for the command line."""

import argparse
import dataclasses
import math
import os

from lrl_keras.errors import InputError


@dataclasses.dataclass(frozen=True)
class Option:
    """One choice that a source offers.

    Attributes:
        default: its value where none is given; its type is that of every value (`int`, `float`,
            `str` or `bool`; of a tuple: of each entry).
        help: one line for `--help`, without the default.
        choices: the values that a text may have; none: any.
        least, most: bounds of a number, inclusive.
        metavar: what stands for the value in `--help`.
    """

    default: object
    help: str
    choices: tuple = ()
    least: float = -math.inf
    most: float = math.inf
    metavar: str | None = None

    @property
    def many(self):
        """Whether the option takes several values."""
        return isinstance(self.default, tuple)

    @property
    def type(self):
        """Type of the value, or of each of several."""
        return type(self.default[0] if self.many else self.default)

    def check(self, name, value):
        """The value in its own type.

        Args:
            name: of the option, for the error.
            value: what the user gave; a tuple or a list where the option takes several.

        Raises:
            InputError: another type, none of the choices or out of bounds; several, but none or
                one twice.
        """
        if not self.many:
            return self._one(name, value)
        if not isinstance(value, tuple | list) or not value:
            raise InputError(f"{name} must be one or more values. Received: {value!r}")
        values = tuple(self._one(name, each) for each in value)
        if self.choices and len(set(values)) < len(values):
            raise InputError(f"{name} must be different ones, each once. Received: {values}")
        return values

    def read(self, text):
        """One value from a command line.

        Raises:
            argparse.ArgumentTypeError: another type or out of bounds.
        """
        try:
            return self._one("", self.type(text))
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error).strip()) from None
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"must be {self._wanted()}. Received: {text!r}"
            ) from None

    def _one(self, name, value):
        if self.type is float and type(value) is int:
            value = float(value)
        if self.type is str and isinstance(value, os.PathLike):
            value = os.fspath(value)
        bounded = self.type in (int, float)
        if type(value) is not self.type or (bounded and not self.least <= value <= self.most):
            raise InputError(f"{name} must be {self._wanted()}. Received: {value!r}")
        if self.choices and value not in self.choices:
            raise InputError(
                f"{name} must be one of {', '.join(map(str, self.choices))}. Received: {value!r}"
            )
        return value

    def _wanted(self):
        if self.type not in (int, float):
            return {str: "a text", bool: "true or false"}[self.type]
        least = "" if self.least == -math.inf else f" from {self.least}"
        most = "" if self.most == math.inf else f" to {self.most}"
        return ("a whole number" if self.type is int else "a number") + least + most


def complete(options, given):
    """All options of a source with their values.

    Args:
        options: `Option` by name.
        given: values by name, those that the user chose.

    Raises:
        InputError: an option that is not declared, or a value that it does not take.
    """
    for name in given:
        if name not in options:
            known = ", ".join(options) or "none at all"
            raise InputError(f"this source has no option {name}; it has: {known}")
    return {
        name: option.check(name, given.get(name, option.default))
        for name, option in options.items()
    }


def add_to(parser, options):
    """Declare options on an `argparse.ArgumentParser`; those not given stay out of its result.

    Args:
        parser: the parser.
        options: `Option` by name; the name's underlines become dashes.
    """
    for name, option in options.items():
        default, arguments = option.default, {}
        if option.type is bool:
            default = "on" if default else "off"
            arguments["action"] = argparse.BooleanOptionalAction
        else:
            default = " ".join(map(str, default)) if option.many else default
            default = "none" if default == "" else default
            # The choices are told better by argparse itself.
            arguments["type"] = option.type if option.choices else option.read
            arguments["metavar"] = option.metavar
            arguments["choices"] = option.choices or None
            arguments["nargs"] = "+" if option.many else None
        parser.add_argument(
            "--" + name.replace("_", "-"),
            default=argparse.SUPPRESS,
            help=f"{option.help} (default: {default})".replace("%", "%%"),
            **arguments,
        )
