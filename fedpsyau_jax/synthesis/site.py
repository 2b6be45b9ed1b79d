"""Where clips are recorded: everything that one lab does in its own way, as a value."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from fedpsyau_jax.synthesis.appearance import People
from fedpsyau_jax.synthesis.camera import Camera, Speed
from fedpsyau_jax.synthesis.emotions import emotion_shares
from fedpsyau_jax.synthesis.muscles import Action
from fedpsyau_jax.synthesis.portrait import Lighting


@dataclass(frozen=True)
class Annotators:
    """Coders of action units.

    Attributes:
        threshold: intensity below which they overlook an AU, 0 to 1; of a clip they always see the strongest.
        never_scored: AUs that they do not look for, so that nobody knows of them.
    """

    threshold: float = 0.0
    never_scored: tuple[int, ...] = ()

    def coded(self, actions: Sequence[Action]) -> tuple[Action, ...]:
        """Of the active AUs those that end up in the table, in their order.

        >>> keen = Annotators(threshold=0.2, never_scored=(6,))
        >>> [action.au for action in keen.coded([Action(4, 0.1), Action(6, 0.3), Action(12, 0.15)])]
        [12]
        """
        looked_for = [action for action in actions if action.au not in self.never_scored]
        strongest = max((action.intensity for action in looked_for), default=0.0)
        return tuple(one for one in looked_for if one.intensity >= min(self.threshold, strongest))


@dataclass(frozen=True)
class Site:
    """A lab; the default is the one of the synthetic database without labs.

    Attributes:
        camera: resolution, compression, colour.
        speed: frame rate.
        lighting: lamps.
        shares: of the emotions that it elicits, in the order of ``emotions.EMOTIONS``.
        people: whom it records.
        annotators: who codes its clips.
    """

    camera: Camera = field(default_factory=Camera)
    speed: Speed = field(default_factory=Speed)
    lighting: Lighting = field(default_factory=Lighting)
    shares: tuple[float, ...] = field(default_factory=lambda: tuple(emotion_shares().tolist()))
    people: People = field(default_factory=People)
    annotators: Annotators = field(default_factory=Annotators)


USUAL = Site()
"""The only site of the synthetic database without labs."""
