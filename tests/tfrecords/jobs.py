"""Functions that worker processes of the tests run."""

import dataclasses
import os
import signal
import sys
import time

from lrl_keras.errors import InputError


@dataclasses.dataclass(frozen=True)
class Task:
    name: str
    value: object


def double(task, notify):
    notify(f"{task.name}.mp4", False)
    return 2 * task.value


def refuse(task, notify):
    raise InputError(f"{task.value}: no good")


def fail(task, notify):
    return 1 / task.value


def die(task, notify):
    notify("videos/bad.mp4", False)
    time.sleep(0.2)
    if task.value == "exit":
        print("the reason why", file=sys.stderr)
        os._exit(3)
    os.kill(os.getpid(), signal.Signals[task.value])


def threads(task, notify):
    import tensorflow as tf

    tf.function(tf.linalg.matmul)(tf.ones((512, 512)), tf.ones((512, 512)))
    names = []
    for thread in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{thread}/comm", encoding="utf-8") as file:
            names.append(file.read().strip())
    return names.count("tf_Compute"), tf.config.get_visible_devices("GPU")


def sleep(task, notify):
    with open(task.value, "w", encoding="utf-8") as file:
        file.write(str(os.getpid()))
    time.sleep(600)


def sign(task, notify):
    """Leave the number of this process and of the one that it works for."""
    time.sleep(1)
    with open(os.path.join(task.value, task.name), "w", encoding="utf-8") as file:
        file.write(f"{os.getpid()} {os.getppid()}")


def kill_caller(task, notify):
    """Kill the process that this one works for, and leave the number of its group."""
    _leave(task.value, os.getpgid(os.getppid()))
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)


def freeze_the_idle(task, notify):
    """Stop the process that the first of two tasks worked for when the second is all but done."""
    path, error = task.value
    if task.name == "first":
        _leave(path, os.getppid())
        return
    while not os.path.exists(path):
        time.sleep(0.1)
    time.sleep(2)
    with open(path, encoding="utf-8") as file:
        idle = int(file.read())
    _leave(path, os.getpgid(idle))
    os.kill(idle, signal.SIGSTOP)
    if error:
        raise InputError(error)


def _leave(path, number):
    with open(f"{path}.part", "w", encoding="utf-8") as file:
        file.write(str(number))
    os.replace(f"{path}.part", path)


def nothing(task, notify, **settings):
    """Write nothing."""
