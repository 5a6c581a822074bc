"""Results of `lrl-keras` as they are printed: tables for people, JSON for programs."""

import contextlib
import json
import sys

_PROBLEMS = {
    "dropped": "dropped frames",
    "unusable": "unusable clips",
    "unpaired": "forged clips without a mask",
    "cut_off": "clips that are cut off",
}
_SHOWN_PROBLEMS = 10
RUN = "folder of the run, or default: the shipped detector"


def verbosity():
    """Choose `verbose` of Keras: a moving bar on a terminal, a line an epoch elsewhere."""
    return 1 if sys.stderr.isatty() else 2


def standard_output_to_error():
    """Let Keras print its progress to standard error; standard output is for results."""
    return contextlib.redirect_stdout(sys.stderr)


def print_json(value):
    print(json.dumps(value, allow_nan=False), flush=True)


def print_metrics(result):
    columns = ("accuracy", "balanced_accuracy", "auc", "average_precision", "eer")
    heads = ("ACC", "bal. ACC", "AUC", "AP", "EER")
    print(f"{'':24}" + "".join(f"{head:>10}" for head in heads) + f"{'real':>8}{'forged':>8}")
    for level in ("frame", "video"):
        rows = {"overall": result[level]["overall"], **result[level]["methods"]}
        for method, metrics in rows.items():
            numbers = "".join(f"{100 * metrics[name]:9.2f}%" for name in columns)
            counts = f"{metrics['real']:8}{metrics['forged']:8}"
            print(f"{level + ' ' + method:24}{numbers}{counts}")


def print_robustness(result):
    clean = result["clean"]["overall"]["auc"]
    titles = {
        "auc": f"AUC of frames under degradation; {100 * clean:.2f}% without",
        "flipped": "decisions that are other than without",
    }
    levels = [cell["level"] for cell in next(iter(result["cells"].values()))]
    for metric, title in titles.items():
        print(f"\n{title}\n{'':24}" + "".join(f"{f'level {level}':>10}" for level in levels))
        for name, cells in result["cells"].items():
            numbers = "".join(f"{100 * cell['overall'][metric]:9.2f}%" for cell in cells)
            print(f"{name:24}{numbers}")


def print_comparison(result):
    from lrl_keras.evaluation import comparison_tables as tables

    for table in (tables.overall(result), tables.differences(result)):
        if not table.rows:
            continue
        lines = [table.heads, *table.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        print(f"{table.title}\n")
        for line in lines:
            texts = [line[0].ljust(widths[0])]
            texts += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
            print("  ".join(texts).rstrip())
        print()
    print("\n".join(tables.notes(result)))


def print_export(path, report):
    print(path)
    sizes = list(report["differences"])
    print("\nlargest difference from the Keras model, by faces at once")
    print(f"{'':12}" + "".join(f"{size:>10}" for size in sizes) + f"{'bound':>10}")
    for name in report["outputs"]:
        numbers = "".join(f"{report['differences'][size][name]:10.1e}" for size in sizes)
        bound = report["bounds"].get(name)
        print(f"{name:12}{numbers}" + (f"{bound:10.0e}" if bound else f"{'AUC':>10}"))
    if "auc" in report:
        auc = report["auc"]
        print(
            f"\nAUC on {auc['faces']} faces of {auc['split']}: float32 {auc['float32']:.4f}, "
            f"int8 {auc['int8']:.4f}; calibrated on {auc['calibrated_on']} of train"
        )


def print_data_benchmark(result):
    machine = result["machine"]
    print(
        f"{result['records']}: {result['bytes_per_example'] / 1000:.0f} kB an example, "
        f"{result['image_size']} pixels, batches of {result['batch_size']}\n"
        f"{machine['cores']} cores, {machine['processor']}, load {machine['load']}\n"
    )
    print(f"{'augment':16}{'images/s':>10}{'least':>8}{'most':>8}{'processor ms an image':>24}")
    for name, found in result["pipelines"].items():
        print(
            f"{name:16}{found['images_per_second']:10.0f}{found['least']:8.0f}{found['most']:8.0f}"
            f"{found['processor_ms_per_image']:24.2f}"
        )


def print_benchmark(result, out):
    machine, product = result["machine"], result["matrix_product"]
    print(
        f"{machine['cores']} cores, {machine['processor']}, load {machine['load']}, "
        f"{result['threads']} threads\n"
        f"matrix product {product['median']:.0f} GFLOP/s ({product['least']:.0f} to "
        f"{product['most']:.0f}); {result['multiply_adds']['total'] / 1e9:.2f} billion "
        "multiply-adds an image\n"
    )
    heads = ("batch", "images/s", "least", "most", "p50 ms", "p99 ms", "MB", "of peak")
    print(f"{'':28}" + "".join(f"{head:>9}" for head in heads))
    for row in result["rows"]:
        print(
            f"{row['row']:28}{row['batch']:9}{row['images_per_second']:9.1f}{row['least']:9.1f}"
            f"{row['most']:9.1f}{row['p50_ms']:9.1f}{row['p99_ms']:9.1f}{row['peak_mb']:9}"
            f"{100 * row['share_of_peak']:8.0f}%"
        )
    parts = result.get("parts_ms", {})
    if parts:
        print("\nwhere the time goes: ONNX Runtime, all outputs, one image on one core")
    for name, milliseconds in parts.items():
        share = 100 * milliseconds / sum(parts.values())
        print(f"{name:28}{milliseconds:9.2f} ms{share:7.1f}%")
    print(f"\n{out}/benchmark.json, benchmark.png" + (", parts.png" if parts else ""))


def print_counts(out, counts):
    columns = (
        "listed_videos",
        "missing_videos",
        "unusable_videos",
        "unpaired_videos",
        "dropped_frames",
        "examples",
    )
    heads = [name.replace("_", " ") for name in columns]
    print(f"{out}/manifest.json names every video and frame.\n")
    print(f"{'split':6}{'':5} {'method':16}" + "".join(f"{head:>17}" for head in heads))
    for split, kinds in counts.items():
        for kind, methods in kinds.items():
            for method, numbers in methods.items():
                values = "".join(f"{numbers[name]:17}" for name in columns)
                print(f"{split:6}{kind:5} {method:16}{values}")


def print_inspection(result):
    print_counts(result["records"], result["counts"])
    made, side = result["versions"], result["arguments"]["image_size"]
    packages = [f"{name} {made[name]}" for name in ("lrl_keras", "tensorflow") if name in made]
    print(
        f"\n{result['source']}, faces of {side} x {side} pixels, schema version "
        f"{result['schema_version']}, made with {', '.join(packages) or 'unknown versions'}"
    )
    for split, numbers in result["balance"].items():
        print(f"{split:6}{numbers['real']:9} real and {numbers['forged']:9} forged examples")
    print(f"several faces in {counted(result['several_faces'], 'clip')}")
    for kind, title in _PROBLEMS.items():
        _print_problems(title, result[kind])
    shards = result["shards"]
    size = sum(shard["bytes"] or 0 for shard in shards) / 1e6
    good = sum(shard["fault"] is None for shard in shards)
    state = "have their checksum" if result["verified"] else "are there (checksums not compared)"
    print(f"\n{good} of {counted(len(shards), 'shard')} {state}, {size:,.1f} MB in all")
    print(f"examples drawn: {result['sheet'] or 'none'}")


def _print_problems(title, rows):
    if rows:
        print(f"\n{title}")
    for row in rows[:_SHOWN_PROBLEMS]:
        clips, paths = counted(row["clips"], "clip"), ", ".join(row["first"])
        number = f"{counted(row['frames'], 'frame')} of {clips}" if row["frames"] else clips
        print(f"{row['split']:6}{row['method']}: {number}: {row['reason']}")
        print(f"{'':6}{paths}{', ...' if row['clips'] > len(row['first']) else ''}")
    if len(rows) > _SHOWN_PROBLEMS:
        print(f"{'':6}and {len(rows) - _SHOWN_PROBLEMS} more; --json prints all")


def counted(count, thing):
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
