"""Programs over several processes: each part of the processes trains some trainings, whose clients its devices share.

Trainings exchange nothing, so that there are as many parts as possible: with as many trainings as processes, each
process trains its own. The processes of a part run one program, with the clients over their devices.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding

from experiments.run.processes import Processes
from experiments.training.placement import put
from experiments.training.plan import Arrays, Recipe
from experiments.training.program import Program, State, compile_program
from experiments.training.store import Store
from experiments.training.task import Task
from fedpsyau_jax.federated import AxisMap
from fedpsyau_jax.types import Metrics, PyTree


class Part(NamedTuple):
    """The part of a process: the ``number`` of parts, the ``place`` of its own, and the ``size`` in trainings."""

    number: int
    place: int
    size: int

    @property
    def rows(self) -> slice:
        """Its trainings among all."""
        return slice(self.place * self.size, (self.place + 1) * self.size)


def num_parts(num_trainings: int, num_clients: int, devices: int, processes: int) -> int | None:
    """Into how many parts to divide the processes: as many as possible; None if nothing divides evenly.

    >>> [num_parts(trainings, clients, 1, 4) for trainings, clients in [(8, 5), (2, 6), (6, 2), (6, 5)]]
    [4, 2, 2, None]
    """

    def fits(parts: int) -> bool:
        each = devices * processes // parts
        return num_clients % each == 0 or (num_trainings // parts) % each == 0

    divisors = [n for n in range(1, processes + 1) if processes % n == 0 and num_trainings % n == 0]
    return max(filter(fits, divisors), default=None)


def padded(num_trainings: int, num_clients: int, devices: int, processes: int) -> int:
    """At least so many trainings, which divide evenly over the devices of all processes."""
    if processes == 1:
        fits = num_clients % devices == 0
    else:
        fits = num_parts(num_trainings, num_clients, devices, processes) is not None
    return num_trainings if fits else num_trainings + -num_trainings % (devices * processes)


def part_of(processes: Processes, num_trainings: int, num_clients: int, devices: int) -> Part:
    """The part of a process.

    Raises:
      ValueError: the trainings do not divide evenly over the processes.
    """
    number = num_parts(num_trainings, num_clients, devices, processes.number)
    if number is None:
        raise ValueError(
            f"{num_trainings} trainings at a time with {num_clients} clients do not divide evenly over "
            f"{processes.number} processes of {devices} devices: resume with as many processes as the run began with"
        )
    return Part(number, processes.index * number // processes.number, num_trainings // number)


def compile_over(
    recipe: Recipe,
    task: Task,
    store: PyTree,
    arrays: PyTree,
    devices: int,
    processes: Processes,
    on_one_device: AxisMap | None = None,
) -> Program:
    """As ``compile_program``, over the devices of all processes; each of them calls it, and the program's functions.

    States stay with their part; metrics and logits come back whole, as arrays of the host.
    """
    if processes.number == 1:
        return compile_program(recipe, task, store, arrays, devices, on_one_device)
    num_trainings, num_clients = arrays.train.id.shape
    part = part_of(processes, num_trainings, num_clients, devices)
    own_devices = devices_of(part, processes, devices)
    spread = "clients" if part.size % len(own_devices) else "trainings"
    of_part = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((part.size, *leaf.shape[1:]), leaf.dtype), arrays)
    program = compile_program(recipe, task, store, of_part, own_devices, on_one_device, spread=spread)
    gather = partial(gathered, part, processes)

    def round_(state: State, store: Store, arrays: Arrays) -> tuple[State, Metrics]:
        states, counts = program.round(state, store, arrays)
        return states, gather(counts)

    return Program(
        jax.tree.map(lambda leaf: _host_array(leaf, num_trainings), program.like),
        jax.tree.map(lambda leaf: _host_array(leaf, num_trainings), program.counts),
        lambda store, arrays: program.place(store, jax.tree.map(lambda leaf: leaf[part.rows], arrays)),
        program.init,
        round_,
        lambda state, store, arrays: gather(program.test(state, store, arrays)),
        gather,
        lambda states: jax.tree.map(partial(_own_rows, part), processes.shared(states), program.like),
    )


def devices_of(part: Part, processes: Processes, each: int) -> Sequence[jax.Device]:
    """The devices of a part: the first ones of each of its processes, those of one process together."""
    members = processes.number // part.number
    first = part.place * members
    of_process = [
        [device for device in jax.devices() if device.process_index == index][:each]
        for index in range(first, first + members)
    ]
    return [device for own in of_process for device in own]


def gathered(part: Part, processes: Processes, arrays: PyTree) -> PyTree:
    """The arrays of all parts, leaves [trainings, ...], whole on each host, one leaf after another."""
    members = processes.number // part.number

    def whole(leaf: jax.Array) -> np.ndarray:
        axis, own = _addressable(leaf)
        everyone = multihost_utils.process_allgather(own).reshape(part.number, members, *own.shape)
        joined = [one[0] if axis is None else np.concatenate(list(one), axis) for one in everyone]
        return np.concatenate(joined)

    return jax.tree.map(whole, arrays)


def _addressable(leaf: jax.Array) -> tuple[int | None, np.ndarray]:
    """What this process has of an array, and the axis along which other processes have the rest, None for none."""
    if leaf.is_fully_addressable:
        return None, np.asarray(leaf)
    assert isinstance(leaf.sharding, NamedSharding)
    axis = next((place for place, name in enumerate(leaf.sharding.spec) if name is not None), None)
    if axis is None:
        return None, np.asarray(leaf.addressable_data(0))
    shards = sorted(leaf.addressable_shards, key=lambda shard: shard.index[axis].start or 0)
    return axis, np.concatenate([np.asarray(shard.data) for shard in shards], axis)


def _host_array(leaf: Any, num_trainings: int) -> np.ndarray:
    return np.empty((num_trainings, *leaf.shape[1:]), leaf.dtype)


def _own_rows(part: Part, leaf: np.ndarray, like: Any) -> jax.Array:
    own = leaf[part.rows]
    return jnp.asarray(own) if like.sharding is None else put(own, like.sharding)
