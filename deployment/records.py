"""Messages as Flower's records: an ArrayRecord of raw arrays, and a ConfigRecord of text and numbers."""

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict

from deployment.payload import Payload, Refused

__all__ = ["content_of", "payload_of"]

ARRAYS, FACTS, KIND = "arrays", "facts", "kind"


def content_of(payload: Payload) -> RecordDict:
    """A message as Flower's records."""
    arrays = ArrayRecord({name: Array(np.asarray(array)) for name, array in payload.arrays.items()})
    return RecordDict({ARRAYS: arrays, FACTS: ConfigRecord({KIND: payload.kind, **payload.facts})})


def payload_of(message: Message) -> Payload:
    """Flower's records as a message; arrays with Python objects are never read.

    Raises:
        Refused: it is an error, or not made by ``content_of``.
    """
    if message.has_error():
        raise Refused(message.error.reason or "the message could not be read")
    try:
        arrays, record = message.content.array_records[ARRAYS], message.content.config_records[FACTS]
        facts = {name: value for name, value in record.items() if isinstance(value, str | int | float)}
        if len(facts) < len(record):
            raise TypeError("lists and bytes are no facts")
        kind = str(facts.pop(KIND))
        return Payload(kind, facts, {name: array.numpy() for name, array in arrays.items()})
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(f"the message is not one of a site ({type(error).__name__})") from None
