"""Clients over devices: the only module that refers to devices."""

from collections.abc import Sequence

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from fedpsyau_jax.federated.algorithm import FedState
from fedpsyau_jax.federated.axes import AxisMap, OneStep, sequential
from fedpsyau_jax.types import PyTree

__all__ = ["client_mesh", "client_sharding", "sharded", "state_sharding"]

CLIENTS = "clients"


def client_mesh(num_devices: int, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """A one-dimensional mesh of the first of some devices, by default of all, with its axis named ``clients``.

    Raises:
        ValueError: fewer devices exist.

    >>> dict(client_mesh(1).shape)
    {'clients': 1}
    """
    existing = jax.devices() if devices is None else devices
    if not 1 <= num_devices <= (available := len(existing)):
        raise ValueError(f"asked for {num_devices} devices, but {available} exist: choose 1 to {available}")
    return jax.make_mesh((num_devices,), (CLIENTS,), axis_types=(AxisType.Auto,), devices=existing[:num_devices])


def sharded(mesh: Mesh, on_each_device: AxisMap = sequential) -> AxisMap:
    """An AxisMap that distributes clients over devices.

    Args:
        mesh: from ``client_mesh``.
        on_each_device: how a device maps over its clients.

    Returns:
        An AxisMap for ``federated``. Gradients taken inside are those of one client, not summed over devices.

    Raises:
        ValueError: (when the AxisMap is called) the number of clients is not a multiple of the number of devices.

    >>> import jax.numpy as jnp
    >>> add = lambda state, value, shared: (state + value, None)
    >>> sharded(client_mesh(1))(add, jnp.array([1.0, 2.0]), jnp.array([10.0, 20.0]), None)[0].tolist()
    [11.0, 22.0]
    """
    spec = PartitionSpec(CLIENTS)

    def over_clients(function: OneStep, states: PyTree, inputs: PyTree, shared: PyTree) -> tuple[PyTree, PyTree]:
        num_clients = jax.tree.leaves(states)[0].shape[0]
        if num_clients % mesh.size:
            raise ValueError(
                f"{num_clients} clients do not divide evenly over {mesh.size} devices: "
                "use a number of devices that divides the number of clients"
            )
        # check_vma=True would sum the gradient of anything replicated over the devices
        on_mesh = jax.shard_map(
            lambda *parts: on_each_device(function, *parts),
            mesh=mesh,
            in_specs=(spec, spec, PartitionSpec()),
            out_specs=spec,
            check_vma=False,
        )
        return on_mesh(states, inputs, shared)

    return over_clients


def client_sharding(mesh: Mesh, num_run_axes: int = 0) -> NamedSharding:
    """Sharding of leaves [*runs, clients, ...] along their client axis.

    >>> tuple(client_sharding(client_mesh(1), num_run_axes=2).spec)
    (None, None, 'clients')
    """
    return NamedSharding(mesh, PartitionSpec(*[None] * num_run_axes, CLIENTS))


def state_sharding(mesh: Mesh, num_run_axes: int = 0) -> FedState:
    """The sharding of each part of a FedState, as a prefix for ``jax.device_put`` and ``jit``'s ``out_shardings``.

    Set it as ``out_shardings`` of a jitted step; otherwise the second round may receive its state with another
    sharding and recompile.

    >>> tuple(state_sharding(client_mesh(1)).clients.spec)
    ('clients',)
    """
    clients: PyTree = client_sharding(mesh, num_run_axes)
    everywhere: PyTree = NamedSharding(mesh, PartitionSpec())
    return FedState(everywhere, clients, clients, start=everywhere, server=clients, reports=clients)
