"""How much ``python -m benchmarks`` measures."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Of all cases.

    Attributes:
      clients: Clients of a federation of the network.
      examples: Training examples of a client.
      batch: Most examples in a batch.
      runs: Numbers of rows, and of repeats, in one program.
      folds: Numbers of folds in one program.
      fold_examples: Training examples of a fold: in the shape of CAS(ME)^3 by 88 subjects.
      many_clients: Numbers of clients of the small network.
      client_images: Images of each of these.
      digit_clients: Numbers of clients that digits are dealt to.
      digit_rounds: Rounds of a training on digits.
      networks: Networks for digits.
      pairs: Pairs of pictures whose flow is measured.
      matrix: Rows and columns of the matrices whose product is timed, for the floors.
      copied: Numbers (float32) of the array whose copy is timed.
      command: Further options of the default command.
    """

    clients: int = 5
    examples: int = 100
    batch: int = 32
    runs: tuple[int, ...] = (1, 16)
    folds: tuple[int, ...] = (1, 88)
    fold_examples: int = 691
    many_clients: tuple[int, ...] = (5, 50, 500, 5000)
    client_images: int = 15
    digit_clients: tuple[int, ...] = (5, 100)
    digit_rounds: int = 10
    networks: tuple[str, ...] = ("mlp", "cnn")
    pairs: int = 16
    matrix: int = 2048
    copied: int = 2**26
    command: tuple[str, ...] = ()


SIZES = {
    "full": Sizes(),
    "small": Sizes(
        clients=2,
        examples=5,
        batch=4,
        runs=(1, 2),
        folds=(1, 2),
        fold_examples=5,
        many_clients=(2, 3),
        client_images=5,
        digit_clients=(2,),
        digit_rounds=2,
        networks=("mlp",),
        pairs=1,
        matrix=128,
        copied=2**16,
    ),
}
