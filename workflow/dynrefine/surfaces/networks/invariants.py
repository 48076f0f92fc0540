"""Rotation-invariant features of an atom's orbitals: densities of second order, and products of third and fourth.

The densities of Zhang, Hu, Jiang, J. Phys. Chem. Lett. 10, 4962 (2019) are the squares of orbitals; those of Zhang,
Xia, Jiang, Phys. Rev. Lett. 127, 156002 (2021) are squares of linear combinations of them, which distinguish
elements and distances better. Products of vectors and tensors distinguish environments that agree in all angles
between pairs of neighbours. Both cost little, since they are computed for atoms, not for pairs.
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from dynrefine.surfaces.networks.embedded_density import OrbitalBasis, invariant_densities, of_degree

Mixing = dict[str, jax.Array]

# places of the monomials of l = 2 in a symmetric tensor
_COMPONENTS = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])
_SLOTS = {"vectors": 1, "tensors": 2}  # degree of the orbitals mixed into the two factors of each kind


@dataclass(frozen=True)
class Invariants:
    """Which features are computed.

    Attributes:
        basis: of the orbitals.
        mixed: linear combinations of the orbitals of each l; 0 for the orbitals themselves.
        products: products of each kind (see `_products`).
    """

    basis: OrbitalBasis
    mixed: int = 0
    products: int = 0

    @property
    def features(self) -> int:
        """Features per atom."""
        return (self.mixed or self.basis.radial_functions) * (
            self.basis.angular_momentum + 1
        ) + 3 * self.products

    def initial_parameters(self, key: jax.Array) -> Mixing:
        """Random coefficients of the combinations [..., elements, n, combinations]; empty where none are mixed."""
        elements, radial = self.basis.elements, self.basis.radial_functions
        shapes = (
            {"densities": (self.basis.angular_momentum + 1, elements, radial, self.mixed)}
            if self.mixed
            else {}
        )
        if self.products:
            shapes |= {name: (2, elements, radial, self.products) for name in _SLOTS}
        keys = dict(zip(shapes, jax.random.split(key, len(shapes)), strict=True)) if shapes else {}
        return {
            name: jax.random.normal(keys[name], shape) / math.sqrt(radial) for name, shape in shapes.items()
        }

    def evaluate(self, mixing: Mixing, species: jax.Array, orbitals: jax.Array) -> jax.Array:
        """Features [N, F].

        Arguments:
            mixing: from `initial_parameters`.
            species: element index of each atom [N].
            orbitals: [N, A, n], as from `embedded_density.orbitals`.
        """
        mixed = [
            _mixed(of_degree(orbitals, degree), species, self._coefficients(mixing, degree))
            for degree in range(self.basis.angular_momentum + 1)
        ]
        if self.mixed:
            # The combinations of l = 0 are invariant themselves, and keep their sign.
            squares = [jnp.sum(combinations[0] ** 2, axis=1) for combinations in mixed[1:]]
            found = [mixed[0][0][:, 0], *squares]
        else:
            found = [invariant_densities(self.basis, orbitals)]
        if self.products:
            found += _products(mixed[1][-2:], mixed[2][-2:])
        return jnp.concatenate(found, axis=-1)

    def _coefficients(self, mixing: Mixing, degree: int) -> list[jax.Array]:
        """Coefficients of all combinations of one l: those of the densities, then the two of the products."""
        of_products = [
            slot for name in _SLOTS if name in mixing and _SLOTS[name] == degree for slot in mixing[name]
        ]
        return ([mixing["densities"][degree]] if self.mixed else []) + of_products


def _mixed(orbitals: jax.Array, species: jax.Array, coefficients: list[jax.Array]) -> list[jax.Array]:
    """Combinations of orbitals [N, a, n], each [N, a, m], with coefficients [elements, n, m] of each atom's element.

    Those of every element are computed for every atom, in one matrix product, and a mask selects.
    """
    if not coefficients:
        return []
    joined = jnp.concatenate(coefficients, axis=-1)
    elements, radial, count = joined.shape
    together = jnp.swapaxes(joined, 0, 1).reshape(radial, elements * count)
    of_each = (orbitals.reshape(-1, radial) @ together).reshape(*orbitals.shape[:2], elements, count)
    selected = of_each[:, :, 0]
    for element in range(1, elements):
        selected = jnp.where((species == element)[:, None, None], of_each[:, :, element], selected)
    ends = np.cumsum([each.shape[-1] for each in coefficients])[:-1]
    return jnp.split(selected, ends, axis=-1)


def _products(vectors: list[jax.Array], tensors: list[jax.Array]) -> list[jax.Array]:
    """b·S a, (S a)·(T b) and tr(S T S) of vectors a, b [N, 3, m] and traceless tensors S, T: each [N, m].

    Arguments:
        vectors: a and b.
        tensors: the monomials of l = 2 of S and T [N, 6, m], as of the orbitals.
    """
    first, second = vectors
    left, right = (_traceless(each) for each in tensors)
    turned, other = _applied(left, first), _applied(right, second)
    product = jnp.sum(left[:, :, :, None] * right[:, None], axis=2)
    return [
        jnp.sum(second * turned, axis=1),
        jnp.sum(turned * other, axis=1),
        jnp.sum(product * left, axis=(1, 2)),
    ]


def _traceless(monomials: jax.Array) -> jax.Array:
    """The symmetric tensors [N, 3, 3, m] whose xx, √2 xy, √2 xz, yy, √2 yz, zz these are, without their traces.

    Written with arrays of tensors: the compiler takes several times as long for a formula for each component.
    """
    unit = np.eye(3, dtype=monomials.dtype)[None, :, :, None]
    weights = np.where(unit == 1.0, 1.0, math.sqrt(0.5)).astype(monomials.dtype)
    components = weights * monomials[:, _COMPONENTS]
    trace = monomials[:, 0] + monomials[:, 3] + monomials[:, 5]
    return components - unit * trace[:, None, None] / 3.0


def _applied(tensor: jax.Array, vector: jax.Array) -> jax.Array:
    return jnp.sum(tensor * vector[:, None], axis=2)
