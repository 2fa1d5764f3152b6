"""What every lint is given and gives back."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from models.policy_file import Node
from models.policy_terms import Action, Policy

Hit = tuple[Node, str]
"""Where a lint fires, and what to say."""


@dataclass(frozen=True, slots=True)
class Linted:
    """A policy with its file's tree. now_ms: Unix time, for what is over. personas: the names in use."""

    policy: Policy
    tree: Node
    now_ms: int
    personas: tuple[str, ...] = ()

    def node(self, *path: str | int) -> Node:
        """The node at a path, or the nearest above it."""
        for depth in range(len(path), 0, -1):
            found = self.tree.get(*path[:depth])
            if found is not None:
                return found
        return self.tree

    def actions(self) -> Iterator[tuple["Part", Action]]:
        """Each action with its place in the file."""
        return ((Part(self, place), action) for place, action in enumerate(self.policy.actions))


@dataclass(frozen=True, slots=True)
class Part:
    """An action's place in the file."""

    of: Linted
    place: int

    def node(self, *path: str | int) -> Node:
        """The node of one of the action's fields, or the nearest above it."""
        return self.of.node("actions", self.place, *path)


Check = Callable[[Linted], Iterator[Hit]]
