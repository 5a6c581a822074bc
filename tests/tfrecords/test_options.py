import argparse
import math
from pathlib import Path

import pytest

from lrl_keras.errors import InputError
from lrl_keras.system.options import Option, add_to, complete
from tfrecords.build import OPTIONS
from tfrecords.sources import SOURCES

COUNT = Option(3, "a count", least=1, most=9)
SIZE = Option(1.5, "a size, 100 %", least=1, most=2)
KIND = Option("a", "a kind", ("a", "b"))
KINDS = Option(("a", "b"), "kinds", ("a", "b", "c"))
SIZES = Option((0.5, 0.5), "sizes", least=0, metavar="SIZE")
FLAG = Option(False, "a flag")
FILE = Option("", "a file", metavar="FILE")
ALL = {
    "count": COUNT, "size": SIZE, "kind": KIND, "kinds": KINDS, "sizes": SIZES,
    "some_flag": FLAG, "file": FILE,
}  # fmt: skip


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        (COUNT, 1, 1),
        (SIZE, 2, 2.0),
        (KIND, "b", "b"),
        (KINDS, ["c", "a"], ("c", "a")),
        (SIZES, (1, 0.5, 0.5), (1.0, 0.5, 0.5)),
        (FLAG, True, True),
        (FILE, Path("a/b.csv"), "a/b.csv"),
    ],
)
def test_values_come_back_in_their_own_type(option, value, wanted):
    found = option.check("x", value)
    assert found == wanted
    assert type(found) is type(wanted)
    assert option.check("x", option.default) == option.default


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        (COUNT, 0, "a whole number from 1 to 9. Received: 0"),
        (COUNT, 10, "from 1 to 9"),
        (COUNT, 2.0, "a whole number"),
        (COUNT, True, "a whole number"),
        (COUNT, "2", "Received: '2'"),
        (SIZE, math.nan, "a number from 1 to 2"),
        (SIZE, 2.1, "a number from 1 to 2"),
        (KIND, "c", "one of a, b. Received: 'c'"),
        (KIND, None, "a text"),
        (KINDS, (), "one or more values"),
        (KINDS, "a", "one or more values"),
        (KINDS, ("a", "a"), "different ones, each once"),
        (KINDS, ("a", "x"), "one of a, b, c"),
        (SIZES, (-0.1, 1.1), "a number from 0. Received: -0.1"),
        (FLAG, 1, "true or false"),
    ],
)
def test_other_values_are_refused_in_one_line(option, value, words):
    with pytest.raises(InputError) as error:
        option.check("name", value)
    assert str(error.value).startswith("name must be ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_complete_fills_in_defaults_and_refuses_the_unknown():
    assert complete({"count": COUNT, "kind": KIND}, {"kind": "b"}) == {"count": 3, "kind": "b"}
    with pytest.raises(InputError, match="no option other; it has: count"):
        complete({"count": COUNT}, {"other": 1})
    with pytest.raises(InputError, match="it has: none at all"):
        complete({}, {"other": 1})


def parsed(options, *arguments):
    parser = argparse.ArgumentParser()
    add_to(parser, options)
    return vars(parser.parse_args(arguments)), parser.format_help()


def test_the_command_line_says_the_same():
    assert parsed(ALL)[0] == {}
    given = [
        "--count",
        "2",
        "--kinds",
        "c",
        "a",
        "--sizes",
        ".2",
        "1",
        "--some-flag",
        "--file",
        "x",
    ]
    found = parsed(ALL, *given)[0]
    assert found == {
        "count": 2, "kinds": ["c", "a"], "sizes": [0.2, 1.0], "some_flag": True, "file": "x",
    }  # fmt: skip
    assert complete(ALL, found)["size"] == SIZE.default
    assert parsed(ALL, "--no-some-flag")[0] == {"some_flag": False}


def test_wrong_numbers_on_the_command_line_are_wrong_usage(capsys):
    parser = argparse.ArgumentParser()
    add_to(parser, {"image_size": Option(299, "side", least=16, most=4096)})
    for text in ("15", "4097", "x", "1.5"):
        with pytest.raises(SystemExit) as caught:
            parser.parse_args(["--image-size", text])
        assert caught.value.code == 2
        last = capsys.readouterr().err.splitlines()[-1]
        assert "argument --image-size: must be a whole number from 16 to 4096. Received: " in last


def test_help_has_every_default():
    text = " ".join(parsed(ALL)[1].split())
    for words in ("a size, 100 % (default: 1.5)", "kinds (default: a b)", "flag (default: off)",
                  "--sizes SIZE [SIZE ...]", "--file FILE a file (default: none)"):  # fmt: skip
        assert words in text


@pytest.mark.parametrize("name", SOURCES)
def test_options_of_every_source_are_sound(name):
    options = SOURCES[name].OPTIONS
    assert not options.keys() & OPTIONS.keys()
    assert complete(options, {}) == {name: option.default for name, option in options.items()}
    for option in options.values():
        assert option.help
        assert len(option.help) < 120
        assert not option.help.endswith(".")
    assert SOURCES[name].SUMMARY.endswith(".")
