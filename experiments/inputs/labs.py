"""Synthetic labs of a federation: what cannot be, and which configurations of the synthetic database to load."""

from typing import TYPE_CHECKING

from experiments.inputs.settings import FedSettings, RecognitionSettings
from experiments.inputs.sweep import points
from fedpsyau_jax.synthesis.lab_shift import parse_shift

if TYPE_CHECKING:
    from fedpsyau_jax.synthesis.labs import Labs

USUAL_SHIFT = FedSettings().lab_shift


def check_labs(settings: FedSettings) -> None:
    """Refuse labs that cannot be made, or do not fit to other settings.

    Raises:
      ValueError: which option, and what to do; in one sentence.
    """
    if settings.labs is None:
        if settings.lab_shift != USUAL_SHIFT:
            raise ValueError(f"--lab-shift={settings.lab_shift}: there are no labs to differ; add --labs=3")
        return
    if settings.database != ("synthetic",):
        raise ValueError(
            f"--labs={settings.labs}: labs are synthetic, unlike --database={' '.join(settings.database)}; "
            "leave one out"
        )
    if settings.client_by != "subject":
        raise ValueError(f"--client-by={settings.client_by}: with --labs each client is a lab; leave it out")
    if settings.num_clients and settings.num_clients % settings.labs:
        raise ValueError(
            f"--clients={settings.num_clients}: each of the {settings.labs} labs is split among equally many clients, "
            f"so give a multiple of {settings.labs}, or leave it out"
        )
    texts = list(dict.fromkeys(point.lab_shift for _, point in points(settings)))
    shifts = [_labs(settings, text).shift for text in texts]
    if len(set(shifts)) < len(shifts):
        raise ValueError(f"--sweep lab-shift={','.join(texts)}: two of these are the same shift; name each once")


def configurations(settings: RecognitionSettings) -> list[str]:
    """Configurations of the synthetic database: with and without labs, one for each shift of a sweep."""
    if not isinstance(settings, FedSettings) or settings.labs is None:
        return ["federated"]
    shifts = dict.fromkeys(point.lab_shift for _, point in points(settings))
    return [_labs(settings, shift).name for shift in shifts]


def _labs(settings: FedSettings, shift: str) -> "Labs":
    from fedpsyau_jax.synthesis.labs import Labs

    assert settings.labs is not None
    try:
        parsed = parse_shift(shift)
    except ValueError as error:
        raise ValueError(f"--lab-shift={shift}: {error}") from None
    try:
        return Labs(settings.labs, parsed)
    except ValueError as error:
        raise ValueError(f"--labs={settings.labs}: {error}") from None
