"""The leak gap: what a clip split claims over an actor-disjoint one."""
