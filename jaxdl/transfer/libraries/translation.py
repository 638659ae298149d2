"""Weights of timm and transformers brought to torchvision's names and layouts, and back.

Which library and which network they are of is told by their names.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxdl.errors import UserError, unknown
from jaxdl.transfer.faults import FileError
from jaxdl.transfer.libraries import timm_names, transformers_names
from jaxdl.transfer.libraries.derived import Derived, Layout
from jaxdl.transfer.libraries.families import Family, Name
from jaxdl.transfer.prefixes import COUNTER, without_wrappers

FAMILIES = timm_names.FAMILIES + transformers_names.FAMILIES
LIBRARIES = (timm_names.TIMM, transformers_names.FILES, transformers_names.MODULES)
BESIDE = "^"  # see ``Family``
HEAD = "heads.head."  # of a vision transformer
COMPUTED = ("relative_position_index", "relative_coords_table")  # buffers that the libraries compute, too


def from_library(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of a ``state_dict`` by torchvision's names, in its layouts, under the prefixes that they have.

    Those that have no place there, and all where no network is known by its names, stay as they are. Raises UserError
    for an array larger than any network's.
    """
    found, _ = translated(arrays)
    try:
        return {name: held.array(np.asarray) if isinstance(held, Derived) else held for name, held in found.items()}
    except FileError as fault:
        raise UserError(f"the weights cannot be brought to torchvision's layouts: {fault}.") from None


def to_library(arrays: Mapping[str, np.ndarray], library: str) -> dict[str, np.ndarray]:
    """A ``state_dict`` for ``library`` of one that ``conversion.to_pytorch`` made: the inverse of ``from_library``.

    library: "timm"; "transformers", for its names in files, which every version's ``from_pretrained`` reads; or
    "transformers_5", for those of the modules of version 5, where ``load_state_dict`` wants them. Batch norm's counters
    are left out, which PyTorch fills itself. Of DINOv2 for transformers, whose classifier is of another kind, so is the
    classifier: the rest is a ``Dinov2Model``'s. Raises UserError for an unknown library, and for a network that it
    lacks or that is not known here.
    """
    if library not in LIBRARIES:
        raise unknown("library", str(library), LIBRARIES)
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    family = next((each for each in FAMILIES if each.library == library and each.fits(arrays, each.ours)), None)
    if family is None:
        if library == timm_names.TIMM and "layer1.0.conv1.weight" in arrays:
            return arrays  # ResNets have torchvision's names
        raise UserError(f"{library}'s names of this network are not known here; see docs/networks.md for which are.")
    if family.moved:
        token, positions = arrays["class_token"], arrays["encoder.pos_embedding"]
        arrays = {**arrays, "class_token": token + positions[:, :1]}
    found = {}
    for ours, array in arrays.items():
        if ours.endswith(COMPUTED) or (family.headless and ours.startswith(HEAD)):
            continue
        names = family.to_theirs(ours)
        if not names:
            raise UserError(f"{library} has no place for {ours} in this network.")
        for name, layout, part in names:
            found[_placed(name, family)] = array if layout is None else layout.theirs(array, part)
    for name, shape in (family.made or {}).items():
        width = arrays[family.ours[0]].shape[-1]
        sides = [width if side == "width" else side for side in shape]
        found[_placed(name, family)] = np.zeros(sides, np.float32)
    return {name: np.ascontiguousarray(array) for name, array in found.items()}


def translated(arrays: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """As ``from_library``, of what has a ``shape``: of several pieces or another shape ``Derived`` is made, unread.

    Also the library's name, None where no network is known.
    """
    plain = without_wrappers(arrays)
    held = {name: arrays[theirs] for name, theirs in plain.items()}
    roots = _roots(held)
    if not roots:
        return dict(arrays), None
    found: dict[str, Any] = {}
    pieces: dict[str, dict[int, tuple[str, Layout]]] = {}
    for name, theirs in plain.items():
        target = _target(name, roots)
        if target is None:
            found[theirs] = arrays[theirs]
        elif target.name and target.layout is None:
            found[target.name] = arrays[theirs]
        elif target.name:
            pieces.setdefault(target.name, {})[target.part] = (theirs, target.layout)
    for name, parts in pieces.items():
        layout = next(iter(parts.values()))[1]
        given = [parts[part][0] for part in layout.parts if part in parts]
        shapes = [tuple(arrays[each].shape) for each in given]
        shape = layout.shape(shapes) if len(shapes) == len(layout.parts) else None
        if shape is None:
            found |= {each: arrays[each] for each in given}
        else:
            found[name] = Derived(layout, tuple(arrays[each] for each in given), shape)
    return found, next(iter(roots.values())).library


def _roots(held: Mapping[str, Any]) -> dict[str, Family]:
    """Families by the prefixes under which they lie, the longest first; a prefix has the first that is there."""
    roots: dict[str, Family] = {}
    for family in FAMILIES:
        mark = family.marks[-1]
        for name in held:
            if name == mark or name.endswith(f".{mark}"):
                prefix = name.removesuffix(mark)
                if prefix not in roots and family.fits(held, family.marks, prefix):
                    roots[prefix] = family
    return dict(sorted(roots.items(), key=lambda item: -len(item[0])))


def _target(name: str, roots: Mapping[str, Family]) -> Name | None:
    """Where the array goes: a name of "" where it is not needed, None where it has no place."""
    for prefix, family in roots.items():
        parent = _parent(prefix, family)
        for start, mark in ((prefix, ""), (parent, BESIDE)):
            if not name.startswith(start) or (mark and not family.base):
                continue
            local = mark + name.removeprefix(start)
            if (target := family.to_ours(local)) is not None:
                if name.endswith(COUNTER):
                    target = target._replace(layout=None)
                return target._replace(name=parent + target.name)
            if re.fullmatch(family.spare, local):
                return Name("", None, 0)
    return None


def _parent(prefix: str, family: Family) -> str:
    """The prefix of what lies beside the base."""
    base = f"{family.base}."
    inside = family.base and (prefix == base or prefix.endswith(f".{base}"))
    return prefix.removesuffix(base) if inside else prefix


def _placed(name: str, family: Family) -> str:
    if name.startswith(BESIDE):
        return name.removeprefix(BESIDE)
    return f"{family.base}.{name}" if family.base and not family.headless else name
