"""The compiled programs of a run: each compiles in a background thread, once."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import cache

import jax

from experiments.run.folder import RunFolder
from experiments.run.processes import Processes
from experiments.run.progress import Stages
from experiments.training import chunks
from experiments.training.memory import clients_at_once
from experiments.training.parts import compile_over, num_parts
from experiments.training.plan import Group
from experiments.training.prepare import Prepared
from experiments.training.program import Program
from experiments.training.shapes import job_arrays_like, store_like, task_of
from experiments.training.task import Task
from fedpsyau_jax.federated import in_groups


class Programs:
    """Tasks and programs of all groups; programs compile in a background thread."""

    def __init__(
        self, prepared: Prepared, folder: RunFolder | None, thread: ThreadPoolExecutor, processes: Processes
    ) -> None:
        """Nothing compiles yet; ``folder`` is None in all processes but the first."""
        self.prepared, self.folder, self.thread, self.processes = prepared, folder, thread, processes
        self.future, self.task = cache(self._future), cache(self._task)
        groups = prepared.table.groups
        self.sizes = processes.agreed(lambda: {group.name: self._size(group) for group in groups})
        self.clients = processes.agreed(lambda: {group.name: self._clients(group) for group in groups})

    def _task(self, group: Group) -> Task:
        data = self.prepared.data_of(group)
        return task_of(group, len(data.class_names), store_like(group, data.rows))

    def begin(self) -> None:
        """Start to compile the first program, unless its group is finished."""
        first, *_ = self.prepared.table.groups
        if not self._finished(first):
            self.future(first)

    def wait(self, group: Group, stages: Stages, size: int) -> Program:
        """The program of a group, once it is compiled."""
        del size
        with stages.stage("compiling (once; later starts read the cache)"):
            return self.future(group).result()

    def _finished(self, group: Group) -> bool:
        files = [f"finished/{chunk.name}.npz" for chunk in chunks.chunks_of(group, self.sizes[group.name])]
        return self.folder is not None and all(map(self.folder.has, files))

    def _size(self, group: Group) -> int:
        settings, rows = self.prepared.settings, self.prepared.data_of(group).rows
        like = store_like(group, rows)
        number = self.processes.number
        return chunks.size_of_chunks(settings, group, self.task(group), like, rows.shown, self.folder, number)

    def _clients(self, group: Group) -> int | None:
        settings, rows = self.prepared.settings, self.prepared.data_of(group).rows
        return clients_at_once(settings, group, self.task(group), store_like(group, rows), rows.shown)

    def form(self, group: Group) -> Group:
        """A group as it is trained: with factored matrices if processes share the clients of a training."""
        number, devices = self.processes.number, self.prepared.settings.devices
        alone = num_parts(self.sizes[group.name], group.num_clients, devices, number) == number
        return group if alone else replace(group, factored=True)

    def _future(self, group: Group) -> Future[Program]:
        settings, rows = self.prepared.settings, self.prepared.data_of(group).rows
        like = job_arrays_like(self.form(group), self.sizes[group.name], rows.shown, settings.seed)
        store = jax.eval_shape(lambda given: given, store_like(group, rows))
        how = group.recipe, self.task(group), store, like, settings.devices, self.processes
        clients = self.clients[group.name]
        return self.thread.submit(compile_over, *how, None if clients is None else in_groups(clients))
