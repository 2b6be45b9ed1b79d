"""``python tests/mer_on_random_data.py COMMAND OPTIONS``: mer, ablate, pretrain or fed on noise instead of faces."""

import sys

import jax
from fed_on_random_data import random_dataset

from experiments import ablate, commandline, fed, loading, mer, pretrain

COMMANDS = {"mer": mer.main, "ablate": ablate.main, "pretrain": pretrain.main, "fed": fed.main}


if __name__ == "__main__":
    jax.config.update("jax_disable_most_optimizations", True)
    loading.load = pretrain.load = random_dataset
    command = COMMANDS[sys.argv.pop(1)]
    commandline.exit_with(command)
