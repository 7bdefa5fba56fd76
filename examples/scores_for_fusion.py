"""Write the scores of a scikit-learn model as a table that `ravfeat fuse` reads.

python examples/scores_for_fusion.py CACHE scores.csv [LAYER]
ravfeat fuse --scores scores.csv --scores runs/voice
"""

import csv
import sys
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import ravfeat

cache = ravfeat.open_cache(sys.argv[1])
records = list(cache.records().values())
layer = int(sys.argv[3]) if len(sys.argv) > 3 else cache.layers[-1]
frames = [frames[:, 0].astype(np.float32) for frames in cache.read([clip.clip_id for clip in records], layers=[layer])]
x = np.array([np.concatenate([clip.mean(0), clip.std(0)]) for clip in frames])  # (N, 2 D)
y = np.array([clip.label for clip in records])
speakers = np.array([clip.actor for clip in records])

with Path(sys.argv[2]).open("w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["name", "fold", "split", "stream", "actor", "label", *cache.classes])
    for fold, (train, test) in enumerate(GroupKFold(4).split(x, y, groups=speakers)):
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(x[train], y[train])
        order = [list(model.classes_).index(name) for name in cache.classes]  # the columns' order
        for row, probabilities in zip(test, model.predict_proba(x[test])[:, order], strict=True):
            clip = records[row]
            name = [clip.clip_id, fold, "test", "audio", clip.actor, clip.label]
            table.writerow([*name, *(f"{value:.6g}" for value in probabilities)])
print(f"{sys.argv[2]}: {len(records)} rows; without val rows, fusion is cross-fitted")
