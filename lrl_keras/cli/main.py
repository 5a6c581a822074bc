"""`lrl-keras`: the verbs as commands."""

import contextlib
import dataclasses
import json
import os
import sys

from lrl_keras.cli.parser import make_parser
from lrl_keras.cli.tables import (
    counted,
    print_benchmark,
    print_counts,
    print_data_benchmark,
    print_export,
    print_figures,
    print_inspection,
    print_json,
    print_robustness,
    warnings_in_one_line,
)
from lrl_keras.errors import InputError, UnreachableError
from lrl_keras.system.quiet import import_tensorflow


def main(argv=None):
    """Run a command line.

    Args:
        argv: list of strings. Defaults to the arguments of the process.

    Returns:
        exit code: 0 done, 1 it failed, 2 wrong usage (raised by `argparse`), 130 interrupted.
    """
    argv = sys.argv[1:] if argv is None else argv
    prepares = argv[:1] == ["prepare"]
    if prepares:
        import_tensorflow()
    parser = make_parser(prepares)
    arguments, others = parser.parse_known_args(argv)
    if prepares and arguments.runner:
        arguments.beam_options = others
    elif others:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    import_tensorflow()
    try:
        with warnings_in_one_line("lrl-keras"):
            return _COMMANDS[arguments.verb](arguments)
    except (InputError, UnreachableError, FloatingPointError) as error:
        print(f"lrl-keras: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"lrl-keras: interrupted{_AFTER.get(arguments.verb, '')}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of standard output has left, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        # A place that cannot be written, a full disk.
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print(f"lrl-keras: error: {' '.join(reason.split())}", file=sys.stderr)
        return 1


def _prepare(arguments):
    from tfrecords.build import OPTIONS, prepare
    from tfrecords.sources import SOURCES

    options = {**OPTIONS, **SOURCES[arguments.source].OPTIONS}
    records = prepare(
        arguments.source,
        arguments.root,
        arguments.out,
        workers=arguments.workers,
        runner=arguments.runner,
        beam_options=arguments.beam_options,
        overwrite=arguments.overwrite,
        **{name: value for name, value in vars(arguments).items() if name in options},
    )
    if arguments.json:
        print_json({"out": arguments.out, "counts": records.counts})
    else:
        print_counts(arguments.out, records.counts)
    return 0


def _inspect(arguments):
    from lrl_keras.evaluation import inspection

    result = inspection.inspect(
        arguments.records,
        split=arguments.split,
        out=arguments.out,
        per_kind=arguments.per_kind,
        patches=arguments.patches,
        verify=arguments.verify,
    )
    if arguments.json:
        print_json(result)
    else:
        print_inspection(result)
    faults = [shard["fault"] for shard in result["shards"] if shard["fault"]]
    for fault in faults:
        print(f"lrl-keras: error: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _train(arguments):
    from lrl_keras.training import trainer

    names = {field.name for field in dataclasses.fields(trainer.Settings)}
    given = {name: value for name, value in vars(arguments).items() if name in names}
    if given.get("weights") == "none":
        given["weights"] = None
    settings = trainer.Settings(**given) if given or not arguments.resume else None
    if arguments.resume and given:
        settings = dataclasses.replace(trainer.saved_settings(arguments.run), **given)
    with _standard_output_to_error():
        trainer.train(
            arguments.records,
            arguments.run,
            settings,
            resume=arguments.resume,
            verbose=_verbosity(),
        )
    print(arguments.run)
    return 0


def _evaluate(arguments):
    from lrl_keras.data import Records
    from lrl_keras.evaluation import evaluator
    from lrl_keras.saving.run import DEFAULT, Run

    if not arguments.degrade:
        for name in ("degradations", "levels", "seed"):
            if getattr(arguments, name) is not None:
                raise InputError(f"--{name} says how faces are degraded; give --degrade as well")
    out = arguments.out or arguments.run
    if out == DEFAULT:
        raise InputError("default: the shipped detector is not written to; give --out FOLDER")
    run, records = Run.open(arguments.run), Records.open(arguments.records)
    model = run.network()
    if arguments.split == "all" and run.records == records.fingerprint:
        print(
            f"lrl-keras: warning: {arguments.run} was trained on a part of {arguments.records}; "
            "its figures say nothing of other faces",
            file=sys.stderr,
        )
    result = evaluator.evaluate(
        model,
        records,
        arguments.split,
        methods=arguments.methods,
        batch_size=arguments.batch_size,
        out=out,
    )
    robustness = _robustness(arguments, model, records, out) if arguments.degrade else None
    if arguments.json:
        print_json({**result, "robustness": robustness} if robustness else result)
        return 0
    print_figures(result)
    if robustness:
        print_robustness(robustness)
    return 0


def _robustness(arguments, model, records, out):
    from lrl_keras.evaluation import robustness

    result = robustness.measure(
        {"model": model},
        records,
        arguments.split,
        methods=arguments.methods,
        degradations=arguments.degradations,
        levels=arguments.levels or robustness.LEVELS,
        seed=arguments.seed or 0,
        batch_size=arguments.batch_size,
        out={"model": out},
    )["model"]
    for name, cells in result["cells"].items():
        unchanged = max(cell["unchanged_faces"] for cell in cells)
        if unchanged:
            print(
                f"lrl-keras: warning: {name} changes nothing in {counted(unchanged, 'face')}: "
                "no colour or contrast to lose",
                file=sys.stderr,
            )
    return result


def _predict(arguments):
    import lrl_keras
    from lrl_keras.prediction import predictor
    from lrl_keras.saving.run import Run

    if Run.exists(arguments.inputs[0]):
        raise InputError(
            f"{arguments.inputs[0]}: a run, not something to score; give it as "
            f"--run {arguments.inputs[0]}"
        )
    model = lrl_keras.load(arguments.run)
    failed = False
    for result in predictor.predict(
        model,
        arguments.inputs,
        frames_per_video=arguments.frames_per_video,
        crop=arguments.crop,
        overlay=arguments.overlay,
        batch_size=arguments.batch_size,
        boxes=arguments.boxes,
    ):
        if "score" in result:
            print_json(result)
        for kind in ("warning", "error"):
            if kind in result:
                print(f"lrl-keras: {kind}: {result[kind]}", file=sys.stderr)
        failed = failed or "error" in result
    return 1 if failed else 0


def _export(arguments):
    import lrl_keras
    from lrl_keras import export

    path = export.export(
        lrl_keras.load(arguments.run),
        arguments.out,
        arguments.format,
        outputs=arguments.outputs,
        quantize=arguments.quantize,
        input_type=arguments.input_type,
        calibration=arguments.calibration,
    )
    with open(f"{path}.json", encoding="utf-8") as file:
        report = json.load(file)
    if arguments.json:
        print_json({"path": path, **report})
    else:
        print_export(path, report)
    return 0


def _serve(arguments):
    from lrl_keras import serving

    if arguments.host not in ("127.0.0.1", "::1", "localhost"):
        print(
            f"lrl-keras: warning: listening on {arguments.host}: whoever reaches this machine can "
            "use it; there is neither a password nor encryption",
            file=sys.stderr,
        )
    options = {name: value for name, value in vars(arguments).items() if name != "verb"}
    serving.serve(options.pop("model"), **options)
    return 0


def _benchmark(arguments):
    from lrl_keras import benchmark

    if arguments.what != "data":
        return _benchmark_run(arguments)
    result = benchmark.benchmark_data(
        arguments.records,
        batch_size=arguments.batch_size,
        image_size=arguments.image_size,
        augment=arguments.augment,
        cache=arguments.cache,
    )
    if arguments.json:
        print_json(result)
    else:
        print_data_benchmark(result)
    return 0


def _benchmark_run(arguments):
    import lrl_keras
    from lrl_keras import benchmark
    from lrl_keras.system import files

    model = lrl_keras.load(arguments.what)
    files.make_folder(arguments.out)
    rows = _exports(model, arguments)
    result = benchmark.benchmark_inference(
        model,
        rows,
        training=(_STEP, arguments.what) if "training" in arguments.formats else None,
        batches=arguments.batches,
        seconds=arguments.seconds,
        repeats=arguments.repeats,
        threads=arguments.threads,
    )
    whole = next((path for path in rows.values() if path.endswith("model.onnx")), None)
    if whole is not None:
        result["parts_ms"] = benchmark.parts_of(whole)
    benchmark.write(result, arguments.out)
    if arguments.json:
        print_json(result)
    else:
        print_benchmark(result, arguments.out)
    return 0


# Loaded in the process of its row.
_STEP = "lrl_keras.training.step:prepared"


def _exports(model, arguments):
    """The rows of a benchmark: name to path, exported where that has not been done before."""
    from lrl_keras import export

    rows = {}
    if "keras" in arguments.formats:
        rows["Keras float32"] = arguments.what
    for kind in (name for name in export.FORMATS if name in arguments.formats):
        for quantize in arguments.quantize:
            for outputs in arguments.outputs:
                if quantize == "int8" and kind == "saved_model":
                    continue
                if quantize == "int8" and arguments.records is None:
                    continue
                folder = os.path.join(arguments.out, "exports", kind, outputs, quantize)
                print(f"lrl-keras: {folder}", file=sys.stderr)
                try:
                    path = export.finished(folder, model) or export.export(
                        model,
                        folder,
                        kind,
                        outputs=outputs,
                        quantize=quantize,
                        calibration=arguments.records if quantize == "int8" else None,
                    )
                except InputError as error:
                    # A runtime that is not installed, or int8 that costs too much AUC.
                    print(f"lrl-keras: warning: left out: {error}", file=sys.stderr)
                    continue
                precision = "float32" if quantize == "none" else quantize
                ending = ", label" if outputs == "label" else ""
                rows[f"{kind} {precision}{ending}"] = path
    return rows


def _demo(arguments):
    from lrl_keras.cli import demo

    with _standard_output_to_error():
        shown = demo.show(arguments.out)
    print("A face that ships with scikit-image, and forgeries of it, by the shipped detector:")
    for result in shown["results"]:
        print(f"    {result['input']}  {result['score']:.3f}")
    print(f"with heat maps          {shown['path']}\n", flush=True)
    with _standard_output_to_error():
        done = demo.demo(arguments.out, verbose=_verbosity())
    print_figures(done["figures"])
    paths = done["paths"]
    print(
        f"""
Measured on {done["figures"]["frame"]["overall"]["real"]} real and \
{done["figures"]["frame"]["overall"]["forged"]} forged cuts of photographs never trained on.

forgeries and masks     {paths["forgeries.png"]}
scores and heat maps    {paths["predictions.png"]}
numbers and curves      {paths["run"]}/metrics.json, roc.png, scores.png
training curves         tensorboard --logdir {paths["run"]}/logs

Next: score a photo or a video of your own
    lrl-keras predict PHOTO --overlay pictures"""
    )
    return 0


def _verbosity():
    """For Keras: a moving bar on a terminal, a line an epoch elsewhere."""
    return 1 if sys.stderr.isatty() else 2


def _standard_output_to_error():
    # Keras prints its progress to standard output, which is for results.
    return contextlib.redirect_stdout(sys.stderr)


# What an interrupted command has kept.
_AFTER = {
    "prepare": "; the same command goes on where it was",
    "train": "; with --resume the same command goes on after the last finished epoch",
    "demo": "; the same command goes on where it was",
}
_COMMANDS = {
    "prepare": _prepare,
    "inspect": _inspect,
    "train": _train,
    "evaluate": _evaluate,
    "predict": _predict,
    "export": _export,
    "serve": _serve,
    "benchmark": _benchmark,
    "demo": _demo,
}
