"""Train your own torch network on cached frames, with the speakers kept apart.

python examples/torch_network.py CACHE
"""

import sys

import torch

import ravfeat

cache = ravfeat.open_cache(sys.argv[1])
records = list(cache.records().values())
speakers = sorted({clip.actor for clip in records})
tested = set(speakers[: len(speakers) // 2])  # nobody is trained on and tested


def batch(clips):
    """Give frames of the middle layer, cut to the shortest clip (N, T, D), and labels (N,)."""
    layer = cache.layers[len(cache.layers) // 2]
    frames = cache.read([clip.clip_id for clip in clips], layers=[layer])
    shortest = min(map(len, frames))
    labels = torch.tensor([cache.classes.index(clip.label) for clip in clips])
    return torch.stack([torch.from_numpy(clip[:shortest, 0]).float() for clip in frames]), labels


x, y = batch([clip for clip in records if clip.actor not in tested])
new_x, new_y = batch([clip for clip in records if clip.actor in tested])
torch.manual_seed(0)
network = torch.nn.Sequential(torch.nn.LayerNorm(x.shape[2]), torch.nn.Linear(x.shape[2], len(cache.classes)))
optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2)
for _ in range(30):
    loss = torch.nn.functional.cross_entropy(network(x).mean(1), y)  # logits are averaged over time
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
accuracy = (network(new_x).mean(1).argmax(1) == new_y).float().mean()
print(f"{len(y)} clips trained, {len(new_y)} clips of other speakers tested: accuracy {accuracy:.3f}")
