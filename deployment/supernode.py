"""A site's end of the network: Flower's Fleet API as a SuperNode speaks it, in the process that trains.

Unlike ``flower-supernode`` it runs no code that the server sends, and starts no process for each message.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from flwr.app import Message
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, PullObjectRequest, PushObjectRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from deployment.payload import Payload
from deployment.records import content_of, payload_of

__all__ = ["Connection", "NotEnrolled", "connected"]

HEARTBEAT_SECONDS, BEATS = 20, 4
"""A site that was silent for twice this time is away; one that was killed can come back then."""


class NotEnrolled(ValueError):
    """The server does not know the site's key."""


class Connection:
    """An authenticated site: it takes the server's questions, one at a time, and answers them."""

    def __init__(self, client: FleetHttpClient, node: Node) -> None:
        """Use the client of an activated node."""
        self.client, self.node = client, node

    def serve(self, answer: Callable[[Payload], Payload]) -> bool:
        """Answer one question, if there is one; whether there was."""
        pulled = self.client.PullMessages(PullMessagesRequest(node=self.node))
        if not pulled.messages_list:
            return False
        (question,), (tree,) = pulled.messages_list, pulled.message_object_trees
        run, name = question.metadata.run_id, question.metadata.message_id
        names = [part.object_id for part in iterate_object_tree(tree)]
        contents = {one: self._object(run, one) for one in names}
        self.client.ConfirmMessageReceived(
            ConfirmMessageReceivedRequest(node=self.node, run_id=run, message_object_id=name)
        )
        message = inflate_object_from_contents(name, contents)
        assert isinstance(message, Message)
        message.metadata.__dict__["_message_id"] = name
        self._send(run, Message(content_of(answer(payload_of(message))), reply_to=message_from_proto(question)))
        return True

    def _object(self, run: int, name: str) -> bytes:
        pulled = self.client.PullObject(PullObjectRequest(node=self.node, run_id=run, object_id=name))
        return bytes(pulled.object_content)

    def _send(self, run: int, reply: Message) -> None:
        with no_object_id_recompute():
            reply.metadata.__dict__["_message_id"] = reply.object_id
            objects, bare, tree = (
                get_all_nested_objects(reply),
                remove_content_from_message(reply),
                get_object_tree(reply),
            )
            pushed = self.client.PushMessages(
                PushMessagesRequest(
                    node=self.node,
                    messages_list=[message_to_proto(bare)],
                    message_object_trees=[tree],
                    clientapp_runtime_list=[0.0],
                )
            )
            for name in pushed.objects_to_push:
                self.client.PushObject(
                    PushObjectRequest(
                        node=self.node,
                        run_id=run,
                        session_id=pushed.session_id,
                        object_id=name,
                        object_content=objects[name].deflate(),
                    )
                )


@contextmanager
def connected(
    address: str, authority: Path, key: ec.EllipticCurvePrivateKey, interceptors: tuple[Any, ...] = ()
) -> Iterator[Connection]:
    """Connect to a server and prove who the site is.

    Args:
        address: host:port of the server.
        authority: certificate that the server's is checked with.
        key: private key of the site.
        interceptors: of Flower's client, that see each request.

    Raises:
        NotEnrolled: the server does not know the key, or still waits for this site's last process.
        httpx.TransportError: there is no such server.
    """
    signed = (NodeAuthHttpInterceptor(key, key.public_key()), *interceptors)
    with FleetHttpClient.from_server_address(address, False, authority.read_bytes(), signed) as client:
        public = public_key_to_bytes(key.public_key())
        request = ActivateNodeRequest(public_key=public, heartbeat_interval=HEARTBEAT_SECONDS)
        try:
            node = Node(node_id=client.ActivateNode(request).node_id)
        except httpx.HTTPStatusError as error:
            raise NotEnrolled(f"{address} does not accept this site's key") from error
        over = threading.Event()
        heart = threading.Thread(target=_beat, args=(client, node, over), daemon=True)
        heart.start()
        try:
            yield Connection(client, node)
        finally:
            over.set()
            with suppress(httpx.HTTPError, RuntimeError):
                client.DeactivateNode(DeactivateNodeRequest(node_id=node.node_id))
            heart.join()


def _beat(client: FleetHttpClient, node: Node, over: threading.Event) -> None:
    while not over.wait(HEARTBEAT_SECONDS / BEATS):
        try:
            client.SendNodeHeartbeat(SendNodeHeartbeatRequest(node=node, heartbeat_interval=HEARTBEAT_SECONDS))
        except (httpx.HTTPError, RuntimeError):
            continue
