"""How the axes of trainings and clients are mapped, on one device or over several."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec, Sharding

from fedpsyau_jax.federated import (
    AxisMap,
    client_mesh,
    client_sharding,
    sequential,
    sharded,
    state_sharding,
    vectorised,
)
from fedpsyau_jax.types import PyTree


class Placement(NamedTuple):
    """How the axes of a program are mapped, and how its results are sharded.

    ``trainings``, ``clients``: the maps; ``mesh``: devices, None for one; ``spread``: the axis that is sharded.
    """

    trainings: AxisMap
    clients: AxisMap
    mesh: Mesh | None = None
    spread: str = ""

    def init(self, state: Callable[..., Any], others: bool) -> dict[str, Any]:
        """Keyword arguments of ``jit`` for a program that returns states, with other tested networks or without."""
        return {} if self.mesh is None else {"out_shardings": self._states(self.mesh, state, others)}

    def round(self, state: Callable[..., Any], others: bool) -> dict[str, Any]:
        """Keyword arguments of ``jit`` for a round, which returns states and the metrics of each client."""
        if self.mesh is None:
            return {}
        metrics = client_sharding(self.mesh, 1 if self.spread == "clients" else 0)
        return {"out_shardings": (self._states(self.mesh, state, others), metrics)}

    @property
    def everywhere(self) -> NamedSharding | None:
        """The sharding of what all devices get whole, if they are of several processes; else the compiler chooses."""
        if self.mesh is None or len({device.process_index for device in self.mesh.devices.flat}) == 1:
            return None
        return NamedSharding(self.mesh, PartitionSpec())

    def inputs(self, *states: None) -> dict[str, Any]:
        """Keyword arguments of ``jit`` for a program of states, if any, a store and trainings."""
        return {} if self.everywhere is None else {"in_shardings": (*states, self.everywhere, self.everywhere)}

    def _states(self, mesh: Mesh, state: Callable[..., Any], others: bool) -> PyTree:
        if self.spread == "trainings":
            return client_sharding(mesh, 0)
        best = client_sharding(mesh, 1) if others else None
        return state(state_sharding(mesh, 1), best, NamedSharding(mesh, PartitionSpec()))


def placement(
    devices: int | Sequence[jax.Device], num_clients: int, on_one_device: AxisMap | None = None, *, spread: str = ""
) -> Placement:
    """Map one after another on a CPU, which is faster there and needs less memory, and all at once on an accelerator.

    Several devices share the clients, if their number is a multiple of the devices, and otherwise the trainings.

    Args:
      devices: number of devices, or which.
      num_clients: of each training.
      on_one_device: how to map trainings and clients on each device; None for the default of the backend.
      spread: "trainings" or "clients" if the devices are to share these.
    """
    usual = on_one_device or (sequential if jax.default_backend() == "cpu" else vectorised)
    chosen, count = (jax.local_devices(), devices) if isinstance(devices, int) else (devices, len(devices))
    if count == 1:
        return Placement(usual, usual)
    mesh = client_mesh(count, chosen)
    if (spread or ("trainings" if num_clients % count else "clients")) == "clients":
        return Placement(usual, sharded(mesh, usual), mesh, "clients")
    return Placement(sharded(mesh, usual), usual, mesh, "trainings")


def put(leaf: Any, sharding: Sharding) -> jax.Array:
    """Move an array, of which each process has all, to devices of several processes."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(put(jax.random.key_data(leaf), sharding))
    content = np.asarray(leaf)
    return jax.make_array_from_callback(content.shape, sharding, lambda index: content[index])


def with_sharding(leaf: Any, sharding: Any) -> jax.ShapeDtypeStruct:
    """Shape and dtype of an array, with its sharding."""
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
