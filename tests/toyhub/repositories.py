"""What a hub keeps: repositories, their commits, and the contents that were uploaded."""

import hashlib
import itertools
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

Kind = Literal["model", "dataset"]
Content = bytes | Path
Tree = dict[str, Content]

LARGE_SUFFIXES = (".h5", ".parquet", ".safetensors", ".bin", ".npz", ".npy", ".zip")
LARGE = 10 << 20
"""Files of these names, or of more bytes, are kept as the hub keeps large files: by SHA-256, behind a redirect."""


def is_large(name: str, size: int) -> bool:
    return size > 0 and (name.endswith(LARGE_SUFFIXES) or size > LARGE)


def size_of(content: Content) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def sha256_of(content: Content) -> str:
    return hashlib.sha256(content).hexdigest() if isinstance(content, bytes) else _sha256_of_file(content)


@lru_cache
def _sha256_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def blob_id(content: Content) -> str:
    """Git's name of a file."""
    data = content if isinstance(content, bytes) else content.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass
class Repository:
    """Commits that do not change, and the branches that name them."""

    kind: Kind
    name: str
    private: bool = False
    commits: dict[str, Tree] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    counter: "itertools.count[int]" = field(default_factory=itertools.count)

    def commit(self, changes: dict[str, Content | None], branch: str = "main", sha: str | None = None) -> str:
        """Make a commit of changed files (None: deleted) after a branch's; gives its sha."""
        parent = self.refs.get(branch, "")
        tree = dict(self.commits.get(parent, {}))
        for name, content in changes.items():
            if content is None:
                del tree[name]
            else:
                tree[name] = content
        sha = sha or hashlib.sha1(f"{self.kind} {self.name} {parent} {next(self.counter)}".encode()).hexdigest()
        self.commits[sha] = tree
        self.refs[branch] = sha
        return sha

    def sha(self, revision: str) -> str | None:
        """The commit that a branch's name or a sha means."""
        return self.refs.get(revision) or (revision if revision in self.commits else None)

    @property
    def files(self) -> Tree:
        """The files of the branch main. A change to them here is one behind the back of every reader."""
        return self.commits[self.refs["main"]]


def describe_file(name: str, content: Content) -> dict[str, object]:
    """A file as the hub lists it."""
    size = size_of(content)
    entry: dict[str, object] = {"type": "file", "path": name, "size": size}
    if is_large(name, size):
        sha256 = sha256_of(content)
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
        lfs = {"oid": sha256, "size": size, "pointerSize": len(pointer)}
        return entry | {"oid": blob_id(pointer), "lfs": lfs}
    return entry | {"oid": blob_id(content)}


def list_tree(tree: Tree, folder: str, *, recursive: bool) -> list[dict[str, object]]:
    """Files and folders below a folder ("": the root)."""
    prefix = f"{folder}/" if folder else ""
    entries: dict[str, dict[str, object]] = {}
    for name, content in sorted(tree.items()):
        if not name.startswith(prefix):
            continue
        parts = name.removeprefix(prefix).split("/")
        for depth in range(1, len(parts) if recursive else min(len(parts), 2)):
            path = prefix + "/".join(parts[:depth])
            oid = hashlib.sha1(path.encode()).hexdigest()
            entries.setdefault(path, {"type": "directory", "path": path, "size": 0, "oid": oid})
        if recursive or len(parts) == 1:
            entries[name] = describe_file(name, content)
    return list(entries.values())
