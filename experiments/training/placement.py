"""How the axes of trainings and clients are mapped, on one device or over several."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

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

    def _states(self, mesh: Mesh, state: Callable[..., Any], others: bool) -> PyTree:
        if self.spread == "trainings":
            return client_sharding(mesh, 0)
        best = client_sharding(mesh, 1) if others else None
        return state(state_sharding(mesh, 1), best, NamedSharding(mesh, PartitionSpec()))


def placement(devices: int, num_clients: int, on_one_device: AxisMap | None = None) -> Placement:
    """Map one after another on a CPU, which is faster there and needs less memory, and all at once on an accelerator.

    Several devices share the clients, if their number is a multiple of the devices, and otherwise the trainings.

    Args:
      devices: number of devices.
      num_clients: of each training.
      on_one_device: how to map trainings and clients on each device; None for the default of the backend.
    """
    usual = on_one_device or (sequential if jax.default_backend() == "cpu" else vectorised)
    if devices == 1:
        return Placement(usual, usual)
    mesh = client_mesh(devices)
    if num_clients % devices == 0:
        return Placement(usual, sharded(mesh, usual), mesh, "clients")
    return Placement(sharded(mesh, usual), usual, mesh, "trainings")


def with_sharding(leaf: Any, sharding: Any) -> jax.ShapeDtypeStruct:
    """Shape and dtype of an array, with its sharding."""
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
