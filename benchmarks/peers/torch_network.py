"""The network of FED-PsyAU written plainly in PyTorch, with the released names, and rounds of FedProx as a loop.

``torch_network.py KIND CLIENTS EXAMPLES BATCH`` trains on noise when it is asked to: a round of all clients, over an
AU detector whose features are kept (frozen) or found again for each batch (detecting), or end to end. ``Whole`` gives
what ``fedpsyau_jax`` gives for the same weights (tests/test_benchmarks_torch.py).
"""

import math
import sys
from copy import deepcopy
from time import perf_counter

import torch
from protocol import batches, serve
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

CLASSES, MU, GAMMA, BETA = 7, 0.01, 0.8, 0.3
REGIONS = {
    "landmark_to_au1_2_4": (3, range(23)),
    "landmark_to_au5_6_7": (3, [*range(22), *range(32, 52), *range(59, 65)]),
    "landmark_to_au9_10": (2, range(52)),
    "landmark_to_au12_14_15_17": (4, range(27, 65)),
}


class LFE(nn.Module):
    """Three convolutions of every landmark's patch."""

    def __init__(self):
        super().__init__()
        for number, (inputs, outputs) in enumerate(((3, 32), (32, 64), (64, 3)), start=1):
            setattr(self, f"conv{number}", nn.Conv2d(inputs, outputs, 3, padding=1))
            setattr(self, f"bn{number}", nn.BatchNorm2d(outputs))

    def forward(self, patches):
        found = patches.flatten(0, 1)
        for number in (1, 2, 3):
            found = functional.relu(getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(found)))
        return found.reshape(len(patches), 65, 75)


class SSE(nn.Module):
    """A transformer layer over the landmarks, and a feed-forward network."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(75, 5, 2048, 0.1, batch_first=True)
        self.transformer_encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.feed_forward = nn.Sequential(nn.Linear(75, 2048), nn.ReLU(), nn.Linear(2048, 75))

    def forward(self, tokens):
        return self.feed_forward(self.transformer_encoder(tokens)) + tokens


class SE(nn.Module):
    """A gain for each landmark."""

    def __init__(self, landmarks):
        super().__init__()
        hidden = max(landmarks // 16, 1)
        first, last = nn.Linear(landmarks, hidden, bias=False), nn.Linear(hidden, landmarks, bias=False)
        self.fc = nn.Sequential(first, nn.ReLU(), last, nn.Sigmoid())

    def forward(self, tokens):
        return tokens * self.fc(tokens.mean(-1))[..., None]


class AFE(nn.Module):
    """Maps of the action units of a region."""

    def __init__(self, aus, landmarks):
        super().__init__()
        self.se = SE(landmarks)
        self.conv1, self.bn1 = nn.Conv2d(3 * landmarks, 2 * aus, 3, padding=1), nn.BatchNorm2d(2 * aus)
        self.conv2, self.bn2 = nn.Conv2d(2 * aus, aus, 1), nn.BatchNorm2d(aus)

    def forward(self, tokens):
        image = (tokens + self.se(tokens)).reshape(len(tokens), -1, 5, 5)
        image = functional.relu(self.bn1(self.conv1(image)))
        return functional.relu(self.bn2(self.conv2(image))).flatten(2)


class Head(nn.Module):
    """A head of graph attention with a prior."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.W, self.a = nn.Parameter(torch.empty(inputs, outputs)), nn.Parameter(torch.empty(2 * outputs, 1))
        nn.init.xavier_uniform_(self.W, 1.414)
        nn.init.xavier_uniform_(self.a, 1.414)

    def forward(self, nodes, topology, statistics, strength):
        messages = nodes @ self.W
        receiving, sending = (messages @ half for half in self.a.chunk(2))
        logits = functional.leaky_relu(receiving + sending.transpose(1, 2), 0.2)
        attention = logits.masked_fill(~topology, -torch.inf).softmax(-1)
        prior = statistics.masked_fill(~topology, -torch.inf).softmax(-1)
        mixed = (1 - strength) * attention + strength * prior
        mixed = functional.dropout(functional.normalize(mixed, p=1, dim=-1), 0.5, self.training)
        return mixed @ messages


class GAT(nn.Module):
    """Three heads, and one on their results."""

    def __init__(self):
        super().__init__()
        for number in range(3):
            setattr(self, f"attention_{number}", Head(25, 64))
        self.out_att = Head(192, 25)

    def forward(self, nodes, *prior):
        nodes = functional.dropout(nodes, 0.5, self.training)
        heads = [getattr(self, f"attention_{number}") for number in range(3)]
        merged = torch.cat([functional.elu(head(nodes, *prior)) for head in heads], -1)
        return functional.elu(self.out_att(functional.dropout(merged, 0.5, self.training), *prior))


class Detector(nn.Module):
    """LRM and AFR; ``priors``: topology and statistics of upper, lower and the whole face."""

    def __init__(self, priors, ratio):
        super().__init__()
        self.priors, self.strength = priors, BETA * ratio
        self.FeatureExtractor, self.transformer = LFE(), SSE()
        for name, (aus, landmarks) in REGIONS.items():
            setattr(self, name, AFE(aus, len(landmarks)))
        self.upper_gat, self.lower_gat, self.global_gat = GAT(), GAT(), GAT()
        self.predict_fc, self.auxiliary_predict_fc = (
            nn.Sequential(nn.Linear(300, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 12)) for _ in range(2)
        )

    def forward(self, patches):
        tokens = self.transformer(self.FeatureExtractor(patches))
        maps = [getattr(self, name)(tokens[:, list(landmarks)]) for name, (_, landmarks) in REGIONS.items()]
        nodes = functional.normalize(torch.cat(maps, 1), dim=-1)
        auxiliary = self.auxiliary_predict_fc(nodes.flatten(1))
        upper, lower = nodes.split(6, 1)
        upper = upper + self.upper_gat(upper, *self.priors[0], self.strength)
        lower = lower + self.lower_gat(lower, *self.priors[1], self.strength)
        nodes = torch.cat([upper, lower], 1)
        nodes = nodes + self.global_gat(nodes, *self.priors[2], self.strength)
        return nodes, self.predict_fc(nodes.flatten(1)), auxiliary


class DSI(nn.Module):
    """Two streams of inception blocks."""

    def __init__(self):
        super().__init__()
        for number, (inputs, width) in enumerate(((12, 16), (64, 48), (3, 6), (24, 16)), start=1):
            for branch, layers in enumerate(_branches(inputs, width), start=1):
                setattr(self, f"conv{number}_{branch}", nn.Sequential(*layers))
        self.face_fc = nn.Sequential(nn.Linear(3136, 1024), nn.ReLU())
        self.fc = nn.Linear(1792, CLASSES)

    def forward(self, maps, flow):
        action, face = (self._stream(image, pair) for image, pair in ((maps, (1, 2)), (flow, (3, 4))))
        joined = torch.cat([action.flatten(1), self.face_fc(functional.max_pool2d(face, 2).flatten(1))], 1)
        return self.fc(functional.dropout(joined, 0.5, self.training))

    def _stream(self, image, pair):
        first, second = pair
        return self._block(second, functional.max_pool2d(self._block(first, image), 2))

    def _block(self, number, image):
        return torch.cat([getattr(self, f"conv{number}_{branch}")(image) for branch in (1, 2, 3, 4)], 1)


def _branches(inputs, width):
    def convolution(channels, size, padding=0):
        return nn.Conv2d(channels, width, size, padding=padding), nn.BatchNorm2d(width), nn.ReLU()

    yield convolution(inputs, 1)
    yield (*convolution(inputs, 1), *convolution(width, 3, 1))
    yield (*convolution(inputs, 1, 1), *convolution(width, 5, 1))
    yield (nn.MaxPool2d(3, 1, 1), *convolution(inputs, 1))


class Whole(nn.Module):
    """Emotion logits, and the detector's of both heads, of flow [n, 3, 28, 28] and patches [n, 65, 3, 5, 5]."""

    def __init__(self, priors, ratio=0.3):
        super().__init__()
        self.au_model, self.mer_feature_extractor = Detector(priors, ratio), DSI()

    def forward(self, flow, patches):
        nodes, main, auxiliary = self.au_model(patches)
        return self.mer_feature_extractor(nodes.reshape(-1, 12, 5, 5), flow), main, auxiliary


def any_priors():
    """Topologies and statistics of the right shapes: what they hold changes no operation."""
    return [(torch.ones(size, size, dtype=torch.bool), torch.rand(size, size)) for size in (6, 6, 12)]


def frozen_loss(model, flow, maps, au, emotion):
    """Of the classifier over a frozen detector."""
    return functional.cross_entropy(model(maps, flow), emotion)


def detecting_loss(model, flow, patches, au, emotion):
    """Of the classifier; its frozen detector finds the features of each batch anew."""
    with torch.no_grad():
        maps = model.au_model.eval()(patches)[0].reshape(-1, 12, 5, 5)
    return functional.cross_entropy(model.mer_feature_extractor(maps, flow), emotion)


def joint_loss(model, flow, patches, au, emotion):
    """Of the whole network."""
    logits, *heads = model(flow, patches)
    detection = sum(functional.binary_cross_entropy_with_logits(head, au) for head in heads)
    return (1 - GAMMA) * functional.cross_entropy(logits, emotion) + GAMMA * detection


def step(model, loss, optimizer, anchor, batch):
    """A step of AdamW on the loss with a proximal term."""
    optimizer.zero_grad()
    pull = sum(((own - received) ** 2).sum() for own, received in zip(trained(model), anchor, strict=True))
    (loss(model, *batch) + MU / 2 * pull).backward()
    optimizer.step()


def trained(model):
    """The weights that learn."""
    return [weight for weight in model.parameters() if weight.requires_grad]


def round_of(model, loss, clients, size):
    """A round: every client from the same weights, then their mean; batch statistics stay where they are."""
    received = [weight.detach().clone() for weight in trained(model)]
    total = [torch.zeros_like(weight) for weight in received]
    for own, examples in clients:
        with torch.no_grad():
            for weight, value in zip(trained(own), received, strict=True):
                weight.copy_(value)
        optimizer = torch.optim.AdamW(trained(own), lr=1e-3, weight_decay=0.01)
        for batch in batches(torch.randperm(len(examples[-1])), size):
            step(own, loss, optimizer, received, [values[batch] for values in examples])
        for sum_, weight in zip(total, trained(own), strict=True):
            sum_ += weight.detach() / len(clients)
    with torch.no_grad():
        for weight, value in zip(trained(model), total, strict=True):
            weight.copy_(value)


def examples_of(kind, count):
    """Noise of the shapes that the network reads."""
    seen = torch.rand(count, 12, 5, 5) if kind == "frozen" else torch.rand(count, 65, 3, 5, 5)
    return torch.rand(count, 3, 28, 28), seen, (torch.rand(count, 12) < 0.4).float(), torch.arange(count) % CLASSES


def main():
    """Rounds until nobody asks."""
    kind, clients, examples, most = sys.argv[1], *map(int, sys.argv[2:])
    size = math.ceil(examples / math.ceil(examples / most))
    model = DSI() if kind == "frozen" else Whole(any_priors())
    if kind == "detecting":
        model.au_model.requires_grad_(False)
    loss = {"frozen": frozen_loss, "detecting": detecting_loss, "end to end": joint_loss}[kind]
    federation = [(deepcopy(model), examples_of(kind, examples)) for _ in range(clients)]
    with FlopCounterMode(display=False) as counter:
        round_of(model, loss, federation, size)

    def work():
        start = perf_counter()
        round_of(model, loss, federation, size)
        return {"seconds": [perf_counter() - start], "operations": counter.get_total_flops()}

    serve(work, ["torch"])


if __name__ == "__main__":
    main()
