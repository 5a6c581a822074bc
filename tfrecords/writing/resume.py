"""The remains of an earlier run in the records' folder, and the part of them that may be kept."""

import contextlib
import fcntl
import json
import os
import re

from lrl_keras.data import manifest as manifests
from lrl_keras.data.records import Records
from lrl_keras.data.schema import SCHEMA_VERSION
from lrl_keras.errors import InputError
from lrl_keras.system import checksums, files
from tfrecords.writing.shards import PARTS, read_report

_PLAN = "plan.json"
_LOCK = "lock"
_SHARD_NAME = re.compile(r"(train|val|test)-\d{5,}-of-\d{5,}\.tfrecord")
_WAY_OUT = "choose another folder, or overwrite (--overwrite) to make the records anew"


def finished(out, identity, progress):
    """Open the `Records` in `out` if they are all that `identity` asks for, else `None`.

    Args:
        out: the records' folder.
        identity: dict of `source`, `arguments`, `versions` and `fingerprints` (by shard).
        progress: show a bar on standard error where comparing checksums takes long.

    Returns:
        the records; only where all shards have their checksums and nothing is left to tidy.
    """
    if files.exists(files.join(out, PARTS)):
        return None
    try:
        records = Records.open(out)
        if _difference(_identity(records.about), identity):
            return None
        records.verify(progress=progress)
    except InputError:
        return None
    return records


@contextlib.contextmanager
def locked(out):
    """Hold `out` against a second run into it; the lock dies with the process.

    Behind a URL there are no locks: there two runs of one command only do the same work twice,
    and `begin` refuses another command.
    """
    parts = files.join(out, PARTS)
    files.make_folder(parts)
    if files.is_url(out):
        yield
        return
    path = os.path.join(parts, _LOCK)
    with open(path, "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The run that held the lock until now may have removed its file.
            alone = _is_at(file, path)
        except BlockingIOError:
            alone = False
        if not alone:
            raise InputError(
                f"{out}: another run is preparing records there; wait for it or choose another "
                "folder"
            )
        try:
            yield
        finally:
            if _is_at(file, path):
                os.unlink(path)
                with contextlib.suppress(OSError):  # not empty: the run is to be continued
                    os.rmdir(parts)


def begin(out, identity, overwrite):
    """Make `out` ready for the run of `identity`, keeping what belongs to it.

    Raises:
        InputError: it holds records that are not of this run, and `overwrite` is false; or it
            cannot be written.
    """
    earlier = _earlier(out, overwrite)
    difference = earlier if isinstance(earlier, str) else _difference(earlier, identity)
    if difference and not overwrite:
        raise InputError(f"{out}: {difference}; {_WAY_OUT}")
    if difference:
        clear(out)
    _remove_temporary(out)
    try:
        files.write_text(files.join(out, PARTS, _PLAN), json.dumps(identity))
    except OSError as error:
        raise InputError(
            f"{out}: cannot be written ({error.strerror}); choose another folder"
        ) from None


def kept_reports(out, identity, progress):
    """Read the reports of the finished shards whose checksum holds, by name.

    Args:
        out, identity, progress: as in `finished`.
    """
    reports = _reports_of_manifest(out)
    for name, fingerprint in identity["fingerprints"].items():
        report = read_report(out, name)
        if report and report.get("fingerprint") == fingerprint:
            reports[name] = report
    paths = [files.join(out, name) for name in reports]
    digests = checksums.sha256(paths, progress=progress)
    return {
        name: report
        for (name, report), digest in zip(reports.items(), digests, strict=True)
        if digest == report["sha256"]
    }


def complete(out, manifest):
    """Write the manifest, unless the same is there, and remove the traces of the run."""
    wanted = json.loads(json.dumps({"schema_version": SCHEMA_VERSION, **manifest}))
    if not _has_manifest(out) or manifests.read(out) != wanted:
        manifests.write(out, manifest)
    files.remove_tree(files.join(out, PARTS))


def clear(out):
    """Remove the records in `out` and the traces of an unfinished run; nothing else."""
    files.remove(files.join(out, manifests.MANIFEST))
    for name in files.names(out):
        if _SHARD_NAME.fullmatch(name):
            files.remove(files.join(out, name))
    for name in files.names(files.join(out, PARTS)):
        if name != _LOCK:
            files.remove(files.join(out, PARTS, name))


def _is_at(file, path):
    try:
        return os.fstat(file.fileno()).st_ino == os.stat(path).st_ino
    except FileNotFoundError:
        return False


def _earlier(out, overwrite):
    """Read the identity of the records in `out`, `None` where there are none; a text if unknown."""
    try:
        if _has_manifest(out):
            return _identity(manifests.read(out))
        return json.loads(files.read_bytes(files.join(out, PARTS, _PLAN)))
    except InputError as error:
        if overwrite:
            return str(error)
        raise InputError(f"{str(error).rsplit(';', 1)[0]}; {_WAY_OUT}") from None
    except ValueError:
        return f"holds an unfinished run, but its {PARTS}/{_PLAN} is damaged"
    except FileNotFoundError:
        if any(name.endswith(".tfrecord") for name in files.names(out)):
            return "holds .tfrecord files but no manifest.json of them"
        return None


def _identity(manifest):
    fingerprints = {shard["name"]: shard.get("fingerprint") for shard in manifest["shards"]}
    kept = {field: manifest[field] for field in ("source", "arguments", "versions")}
    return {**kept, "fingerprints": fingerprints}


def _difference(earlier, identity):
    """Say in words how the records of `earlier` differ from those asked for; "" if they don't."""
    if earlier is None:
        return ""
    if earlier["source"] != identity["source"]:
        return f"holds records of {earlier['source']}, not of {identity['source']}"
    for field in ("arguments", "versions"):
        before, now = earlier[field], identity[field]
        different = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
        if different:
            name = different[0]
            return f"holds records made with {name} {before.get(name)}, not {now.get(name)}"
    if earlier["fingerprints"] != identity["fingerprints"]:
        return "holds records made from other video files than are there now"
    return ""


def _reports_of_manifest(out):
    if not _has_manifest(out):
        return {}
    manifest = manifests.read(out)
    clips = {}
    for clip in manifest["clips"]:
        clips.setdefault(clip["shard"], []).append(clip)
    return {shard["name"]: {**shard, "clips": clips[shard["name"]]} for shard in manifest["shards"]}


def _remove_temporary(out):
    """Remove what a killed run was just writing."""
    for folder in (out, files.join(out, PARTS)):
        for name in files.names(folder):
            if files.is_temporary(name):
                files.remove(files.join(folder, name))


def _has_manifest(out):
    return files.exists(files.join(out, manifests.MANIFEST))
