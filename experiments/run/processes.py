"""The processes that train one run together: the first one leads, reads and writes; all compute.

Every process calls these methods in the same order. With a single process each of them does next to nothing.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from fedpsyau_jax.types import PyTree

Value = TypeVar("Value")
PATIENCE = 10**9
"""Milliseconds to wait for the first process, which may be rendering data or pretraining detectors: 11 days."""


@dataclass(frozen=True)
class Processes:
    """The processes of a run, as one of them sees them.

    Attributes:
      number: how many there are.
      index: of this one; the first, 0, leads.
      turns: numbers the values that the first process tells the others.
    """

    number: int = 1
    index: int = 0
    turns: Iterator[int] = field(default_factory=count, compare=False, repr=False)

    @property
    def leads(self) -> bool:
        """Whether this is the process that reads and writes the run folder, and is seen."""
        return self.index == 0

    def agreed(self, value: Callable[[], Value]) -> Value:
        """What ``value`` returns in the first process, a JSON value, in all; the others wait, and do not call it."""
        if self.number == 1:
            return value()
        from orbax.checkpoint import multihost

        client, key = multihost.get_jax_distributed_client(), f"fedpsyau/{next(self.turns)}"
        if not self.leads:
            first: Value = json.loads(client.blocking_key_value_get(key, PATIENCE))
            return first
        own = value()
        client.key_value_set(key, json.dumps(own))
        return own

    def one_before_all(self, work: Callable[[], Value]) -> Value:
        """What ``work`` returns; the others do it when the first process has, which may leave files for them."""
        if self.leads:
            done = work()
            self.agreed(lambda: None)
            return done
        self.agreed(lambda: None)
        return work()

    def refuse_other(self, what: str, value: Any) -> None:
        """Raise a ValueError in a process whose ``value``, a JSON value, is not that of the first one."""
        value = json.loads(json.dumps(value))
        if (first := self.agreed(lambda: value)) != value:
            raise ValueError(
                f"{what} of process {self.index} are not those of process 0 ({_difference(first, value)}): start all "
                "processes with the same options, data and versions"
            )

    def anywhere(self, *asked: bool) -> tuple[bool, ...]:
        """Whether each of these is true in any process."""
        if self.number == 1:
            return asked
        import numpy as np
        from jax.experimental import multihost_utils

        return tuple(map(bool, multihost_utils.process_allgather(np.array(asked)).any(axis=0)))

    def shared(self, arrays: "PyTree") -> "PyTree":
        """The arrays of the first process, bit for bit; the others give their shapes and dtypes."""
        if self.number == 1:
            return arrays
        import jax

        return jax.tree.map(self._shared, arrays)

    def _shared(self, leaf: Any) -> Any:
        import numpy as np
        from jax.experimental import multihost_utils

        own = np.asarray(leaf) if self.leads else np.zeros(leaf.shape, leaf.dtype)
        content = multihost_utils.broadcast_one_to_all(own.reshape(-1).view(np.uint8))
        return np.array(content).view(own.dtype).reshape(own.shape)  # a copy that can be written to


ALONE = Processes()


def _difference(first: Any, own: Any) -> str:
    if isinstance(first, dict) and isinstance(own, dict):
        name = next(name for name in [*first, *own] if first.get(name) != own.get(name))
        return f"{name} is {own.get(name)}, there {first.get(name)}"
    return f"{own}, there {first}"
