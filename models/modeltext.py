"""What a LightGBM model's text says about itself, checked in full before the library sees it.

The library follows child indices, offsets and feature numbers as they stand in the text; a damaged one can read
outside its arrays or walk in circles. Every number it follows is checked here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

_NODE_NUMBERS = frozenset({"threshold", "split_gain", "internal_value", "internal_weight", "internal_count"})
_NODE_INTEGERS = ("split_feature", "decision_type", "left_child", "right_child")
_LEAF_NUMBERS = frozenset({"leaf_value", "leaf_weight", "leaf_count"})
_SINGLE = frozenset({"Tree", "num_leaves", "num_cat", "is_linear", "shrinkage"})
_INTEGERS = re.compile(r"-?[0-9]+( -?[0-9]+)* ?")
_NUMBERS = re.compile(r"[-+]?([0-9.]+(e[-+]?[0-9]+)?|inf|nan)( [-+]?([0-9.]+(e[-+]?[0-9]+)?|inf|nan))* ?")
_END = b"end of trees"


class InvalidModel(ValueError):
    """A model's text is damaged or does not fit; the message says where."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Columns it reads (N), numbers it gives (K), trees it holds."""

    features: int
    outputs: int
    trees: int


def inspect_model(text: str, features: int) -> ModelShape:
    """The shape of a model's text. Raises InvalidModel if any part the library would follow is wrong."""
    try:
        data = text.encode("ascii")
    except UnicodeEncodeError as error:
        raise InvalidModel(f"the text is not ASCII at character {error.start}") from error
    if not data.startswith(b"tree\n") or b"\0" in data:
        raise InvalidModel("the text does not begin as a LightGBM model")
    first = data.find(b"\nTree=0\n") + 1
    if not first:
        raise InvalidModel("the text holds no tree")
    header = _fields(data[:first])
    shape = _shape(header, features)
    blocks = _blocks(data, first, _integers(header, "tree_sizes"))
    if len(blocks) % shape.outputs:
        raise InvalidModel(f"{len(blocks)} trees are not a multiple of {shape.outputs} outputs")
    for number, block in enumerate(blocks):
        _check_tree(_fields(block), number, features)
    return ModelShape(shape.features, shape.outputs, len(blocks))


def _fields(block: bytes) -> Mapping[str, str]:
    """The block's `name=value` lines. A name that stands twice could be read either way: refused."""
    pairs = [line.split("=", 1) for line in block.decode("ascii").splitlines() if "=" in line]
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidModel("a name stands twice")
    return fields


def _integers(fields: Mapping[str, str], name: str) -> npt.NDArray[np.int64]:
    if not _INTEGERS.fullmatch(fields.get(name, "")):
        raise InvalidModel(f"{name} is missing or not a list of whole numbers")
    try:
        return np.array(fields[name].split(), dtype=np.int32).astype(np.int64)
    except OverflowError as error:
        raise InvalidModel(f"{name} holds a number that is too large") from error


def _numbers(fields: Mapping[str, str], name: str, length: int) -> npt.NDArray[np.float64]:
    if not _NUMBERS.fullmatch(fields.get(name, "")):
        raise InvalidModel(f"{name} is missing or not a list of numbers")
    try:
        values = np.array(fields[name].split(), dtype=np.float64)
    except ValueError as error:
        raise InvalidModel(f"{name} is not a list of numbers") from error
    if len(values) != length:
        raise InvalidModel(f"{name} holds {len(values)} numbers instead of {length}")
    return values


def _integer(fields: Mapping[str, str], name: str) -> int:
    values = _integers(fields, name)
    if len(values) != 1:
        raise InvalidModel(f"{name} holds {len(values)} numbers instead of one")
    return int(values[0])


def _shape(header: Mapping[str, str], features: int) -> ModelShape:
    columns = _integer(header, "max_feature_idx") + 1
    if columns != features:
        raise InvalidModel(f"the model reads {columns} features, this engine makes {features}")
    if len(header.get("feature_names", "").split()) != columns:
        raise InvalidModel(f"feature_names does not name {columns} features")
    if len(header.get("feature_infos", "").split()) != columns:
        raise InvalidModel(f"feature_infos does not describe {columns} features")
    outputs = _integer(header, "num_tree_per_iteration")
    if outputs != _integer(header, "num_class") or not 1 <= outputs <= 1000:
        raise InvalidModel(f"num_class and num_tree_per_iteration do not agree ({outputs} trees an iteration)")
    return ModelShape(columns, outputs, 0)


def _blocks(data: bytes, first: int, sizes: npt.NDArray[np.int64]) -> list[bytes]:
    """The trees' texts, cut at the offsets that the library will use."""
    if not len(sizes) or bool(np.any(sizes <= 0)) or int(sizes.max()) > len(data):
        raise InvalidModel("tree_sizes does not fit the text")
    edges = [first, *(first + np.cumsum(sizes)).tolist()]
    if not data.startswith(_END, edges[-1]):
        raise InvalidModel("tree_sizes does not end where the trees end")
    blocks = [data[start:end] for start, end in pairwise(edges)]
    for number, block in enumerate(blocks):
        if not block.startswith(b"Tree=%d\n" % number):
            raise InvalidModel(f"tree {number} does not begin where tree_sizes says")
    return blocks


def _check_tree(fields: Mapping[str, str], number: int, features: int) -> None:
    try:
        _check_fields(fields, features)
    except InvalidModel as error:
        raise InvalidModel(f"tree {number}: {error}") from error


def _check_fields(fields: Mapping[str, str], features: int) -> None:
    leaves = _integer(fields, "num_leaves")
    if leaves < 1:
        raise InvalidModel(f"num_leaves is {leaves}")
    if _integer(fields, "num_cat") or _integer(fields, "is_linear"):
        raise InvalidModel("categorical splits and linear leaves are not used by this engine")
    _numbers(fields, "shrinkage", 1)
    if leaves == 1:
        _check_leaves(_numbers(fields, "leaf_value", 1))
        return
    unknown = set(fields) - _NODE_NUMBERS - _LEAF_NUMBERS - _SINGLE - set(_NODE_INTEGERS)
    if unknown:
        raise InvalidModel(f"{', '.join(sorted(unknown))} is no part of a tree")
    for name in _NODE_NUMBERS:
        _numbers(fields, name, leaves - 1)
    for name in _LEAF_NUMBERS:
        _check_leaves(_numbers(fields, name, leaves))
    _check_nodes(fields, leaves, features)


def _check_leaves(values: npt.NDArray[np.float64]) -> None:
    if not bool(np.all(np.isfinite(values))):
        raise InvalidModel("a leaf's value is not finite")


def _check_nodes(fields: Mapping[str, str], leaves: int, features: int) -> None:
    arrays = {name: _integers(fields, name) for name in _NODE_INTEGERS}
    for name, values in arrays.items():
        if len(values) != leaves - 1:
            raise InvalidModel(f"{name} holds {len(values)} numbers instead of {leaves - 1}")
    splits, decisions = arrays["split_feature"], arrays["decision_type"]
    if bool(np.any((splits < 0) | (splits >= features))):
        raise InvalidModel(f"split_feature is outside 0..{features - 1}")
    if bool(np.any((decisions < 0) | (decisions > 15) | (decisions & 1))):
        raise InvalidModel("decision_type is none of a numerical split")
    _check_children(arrays["left_child"], arrays["right_child"], leaves)


def _check_children(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], leaves: int) -> None:
    """Each node and leaf hangs in one place, and a node's children come after it: no circle is possible."""
    parents = np.arange(len(left))
    for children in (left, right):
        if bool(np.any((children >= 0) & (children <= parents))):
            raise InvalidModel("a node's child does not come after it")
    placed = np.sort(np.concatenate([left, right]))
    if not np.array_equal(placed, np.arange(-leaves, leaves - 1)[np.arange(2 * leaves - 1) != leaves]):
        raise InvalidModel("a node or leaf hangs in no place or in two")
