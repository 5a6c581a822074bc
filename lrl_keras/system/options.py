"""An option, declared once: for Python, the command line, config.json and the docs."""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
from collections.abc import Collection, Mapping
from typing import Any

from lrl_keras.errors import InputError


@dataclasses.dataclass(frozen=True)
class Option:
    """One value that a user may choose.

    Attributes:
        default: the value where none is given; `None` where there is nothing then, which may be
            given too.
        help: one line for `--help`, without the default.
        choices: the values that it may have, such as the names of a registry; none: any.
        least, most: bounds of a number, inclusive.
        metavar: what stands for the value in `--help`.
        type: of the value, or of each of several: `int`, `float`, `str` or `bool`. Default: that of
            the default.
        many: whether it takes several values. Default: where the default is a tuple.
        stated: what `--help` says of the default. Default: the default itself.
        optional: whether `None` may be given, on the command line as `none`. Default: where the
            default is `None`.
        switch: whether `--no-NAME` is left out.
        required: whether the command line must give it.
    """

    default: Any
    help: str
    choices: Collection = ()
    least: float = -math.inf
    most: float = math.inf
    metavar: str | None = None
    type: type | None = None
    many: bool | None = None
    stated: str | None = None
    optional: bool | None = None
    switch: bool = False
    required: bool = False

    def __post_init__(self) -> None:
        derived = {
            "many": isinstance(self.default, tuple),
            "optional": self.default is None,
            "type": type(self.default[0] if isinstance(self.default, tuple) else self.default),
        }
        for name, value in derived.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    def check(self, name: str, value: Any) -> Any:
        """The value in its own type.

        Args:
            name: of the option, for the error.
            value: what the user gave; a tuple or a list where the option takes several.

        Raises:
            InputError: another type, none of the choices or out of bounds; several, but none or
                one twice.
        """
        if value is None and self.optional:
            return None
        if not self.many:
            return self._one(name, value)
        if not isinstance(value, tuple | list) or not value:
            raise InputError(f"{name} must be one or more values. Received: {value!r}")
        values = tuple(self._one(name, each) for each in value)
        if self.choices and len(set(values)) < len(values):
            raise InputError(f"{name} must be different ones, each once. Received: {values}")
        return values

    def read(self, text: str) -> Any:
        """One value from a command line.

        Raises:
            argparse.ArgumentTypeError: another type or out of bounds.
        """
        if self.optional and text == "none":
            return None
        try:
            convert: Any = self.type
            return self._one("", convert(text))
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error).strip()) from None
        except ValueError:
            raise argparse.ArgumentTypeError(
                f"must be {self._wanted()}. Received: {text!r}"
            ) from None

    @property
    def words(self) -> str | None:
        """The default as `--help` states it, `None` where that says nothing."""
        if self.stated is not None:
            return self.stated
        if self.default is None:
            return None
        if self.type is bool:
            return "on" if self.default else "off"
        values = self.default if self.many else (self.default,)
        return " ".join(map(_shown, values)) or "none"

    def _one(self, name, value):
        if self.type is float and type(value) is int:
            value = float(value)
        if self.type is str and isinstance(value, os.PathLike):
            value = os.fspath(value)
        kind, bounded = type(value), self.type in (int, float)
        if kind is not self.type or (bounded and not self.least <= value <= self.most):
            raise InputError(f"{name} must be {self._wanted()}. Received: {value!r}")
        if self.choices and value not in self.choices:
            raise InputError(
                f"{name} must be one of {', '.join(map(str, self.choices))}. Received: {value!r}"
            )
        return value

    def _wanted(self):
        if self.type not in (int, float):
            return "a text" if self.type is str else "true or false"
        least = "" if self.least == -math.inf else f" from {_shown(self.least)}"
        most = "" if self.most == math.inf else f" to {_shown(self.most)}"
        return ("a whole number" if self.type is int else "a number") + least + most


def _shown(value):
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclasses.dataclass(frozen=True)
class Argument:
    """An argument that a command takes by its place.

    Attributes:
        metavar: what stands for it in `--help`.
        help: one line for `--help`.
        count: how many: `None` for one, `"+"` for one or more, `"?"` where it may be left out.
    """

    metavar: str
    help: str
    count: str | None = None


def complete(
    options: Mapping[str, Option], given: Mapping[str, Any], owner: str = "this source"
) -> dict[str, Any]:
    """All options with their values.

    Args:
        options: `Option` by name.
        given: values by name, those that the user chose.
        owner: what has these options, for the error.

    Raises:
        InputError: an option that is not declared, or a value that it does not take.
    """
    for name in given:
        if name not in options:
            known = ", ".join(options) or "none at all"
            raise InputError(f"{owner} has no option {name}; it has: {known}")
    return {
        name: option.check(name, given.get(name, option.default))
        for name, option in options.items()
    }


def add_to(
    parser: argparse.ArgumentParser | argparse._ArgumentGroup,
    options: Mapping[str, Option | Argument],
) -> None:
    """Declare options on an `argparse.ArgumentParser`; those not given stay out of its result.

    Args:
        parser: the parser.
        options: `Option` or `Argument` by name; the name's underlines become dashes.
    """
    for name, option in options.items():
        if isinstance(option, Argument):
            parser.add_argument(name, metavar=option.metavar, nargs=option.count, help=option.help)
            continue
        arguments: dict[str, Any] = {}
        if option.switch:
            arguments["action"] = "store_true"
        elif option.type is bool:
            arguments["action"] = argparse.BooleanOptionalAction
        else:
            # The choices are told better by argparse itself.
            arguments["type"] = option.type if option.choices else option.read
            arguments["metavar"] = option.metavar
            arguments["choices"] = option.choices or None
            arguments["nargs"] = "+" if option.many else None
        stated = "" if option.switch or option.words is None else f" (default: {option.words})"
        parser.add_argument(
            "--" + name.replace("_", "-"),
            default=argparse.SUPPRESS,
            required=option.required,
            help=f"{option.help}{stated}".replace("%", "%%"),
            **arguments,
        )
