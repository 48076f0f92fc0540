"""Atomic environments as embedded densities of Gaussian-type orbitals, shared by potential and dipole surface.

Equations: Zhang, Hu, Jiang, J. Phys. Chem. Lett. 10, 4962 (2019), eqs. 2-5, with unit vectors in the angular
monomials so that all orbitals have the same scale.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from dynrefine.geometry.neighbours import lengths


@dataclass(frozen=True)
class OrbitalBasis:
    """Size of the orbital basis around each atom.

    Attributes:
        elements: number of chemical elements.
        cutoff: Å.
        radial_functions: Gaussians per angular momentum.
        angular_momentum: largest l.
    """

    elements: int
    cutoff: float
    radial_functions: int
    angular_momentum: int

    def initial_parameters(self, key: jax.Array) -> dict[str, jax.Array]:
        """Evenly spread Gaussians and random element coefficients.

        Returns:
            centres [n] Å, exponents [n] 1/Å², coefficients [elements, n].
        """
        first = min(0.9, 0.2 * self.cutoff)
        centres = jnp.linspace(first, 0.9 * self.cutoff, self.radial_functions)
        spacing = centres[1] - centres[0] if self.radial_functions > 1 else self.cutoff / 2
        exponents = jnp.full(self.radial_functions, 1.0 / spacing**2)
        coefficients = jax.random.normal(key, (self.elements, self.radial_functions))
        return {"centres": centres, "exponents": exponents, "coefficients": coefficients}


def monomials(angular_momentum: int) -> list[tuple[int, tuple[int, int, int], float]]:
    """Exponents (x, y, z) for each l with the square root of their multinomial weight."""
    result = []
    for degree in range(angular_momentum + 1):
        for x in range(degree, -1, -1):
            for y in range(degree - x, -1, -1):
                z = degree - x - y
                weight = math.factorial(degree) / (math.factorial(x) * math.factorial(y) * math.factorial(z))
                result.append((degree, (x, y, z), math.sqrt(weight)))
    return result


def cosine_cutoff(distance: jax.Array, cutoff: float) -> tuple[jax.Array, jax.Array]:
    """Squared cosine cutoff ((1 + cos(π r/r_c))/2)² = cos⁴(π r/2r_c) and its derivative in 1/Å, for r and r_c in Å.

    It and its first three derivatives are zero at the cutoff.
    """
    wavenumber = 0.5 * math.pi / cutoff
    cosine, sine = _cosine_and_sine(wavenumber * jnp.minimum(distance, cutoff))
    return cosine**4, -4.0 * wavenumber * cosine**3 * sine


@jax.custom_jvp
def _cosine_and_sine(angle: jax.Array) -> tuple[jax.Array, jax.Array]:
    """For angles from 0 to π/2, by square roots, since XLA would evaluate a bare cosine again for each Gaussian."""
    cosine = jnp.sqrt(0.5 * (1.0 + jnp.cos(2.0 * angle)))
    return cosine, jnp.sqrt(1.0 - cosine**2)


@_cosine_and_sine.defjvp
def _cosine_and_sine_jvp(
    primals: tuple[jax.Array], tangents: tuple[jax.Array]
) -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    cosine, sine = _cosine_and_sine(*primals)
    (along,) = tangents
    return (cosine, sine), (-sine * along, cosine * along)


@partial(jax.custom_jvp, nondiff_argnums=(3,))
def radial_functions(
    distance: jax.Array, elements: jax.Array, parameters: dict[str, jax.Array], cutoff: float
) -> jax.Array:
    """Gaussians times the cutoff function and the coefficient of the neighbour's element [N, n, K].

    The derivative is written out because that of automatic differentiation runs at half the speed.

    Arguments:
        distance: to the neighbours [N, K], Å.
        elements: of the neighbours [N, K].
        parameters: from `OrbitalBasis.initial_parameters`.
        cutoff: Å.
    """
    smooth, _ = cosine_cutoff(distance, cutoff)
    chosen = _by_element(parameters["coefficients"], elements)
    return _gaussians(distance, parameters) * smooth[:, None, :] * chosen


@radial_functions.defjvp
def _radial_functions_jvp(
    cutoff: float, primals: tuple[Any, ...], tangents: tuple[Any, ...]
) -> tuple[jax.Array, jax.Array]:
    distance, elements, parameters = primals
    along_distance, _, along_parameters = tangents
    smooth, slope = (each[:, None, :] for each in cosine_cutoff(distance, cutoff))
    gaussians, chosen = _gaussians(distance, parameters), _by_element(parameters["coefficients"], elements)
    decay = 2.0 * parameters["exponents"][:, None] * (distance[:, None, :] - parameters["centres"][:, None])
    plain = gaussians * smooth
    derivative = gaussians * (slope - decay * smooth) * chosen
    # Stacked rather than broadcast: the transpose is then a sum of slices, which XLA fuses with what leads to it.
    along_each = jnp.stack([along_distance] * derivative.shape[1], axis=1)
    by_parameters = plain * _along_parameters(distance, elements, parameters, along_parameters)
    return plain * chosen, derivative * along_each + by_parameters


def _along_parameters(
    distance: jax.Array,
    elements: jax.Array,
    parameters: dict[str, jax.Array],
    along: dict[str, jax.Array],
) -> jax.Array:
    """The factor on the Gaussians times the cutoff function when the parameters change [N, n, K].

    For coefficients c, exponents α and centres b it is δc + 2αc (r - b) δb - c (r - b)² δα: a quadratic in r for each
    element, so that the derivatives by all parameters are one matrix product for each atom.

    Arguments:
        distance, elements, parameters: as for `radial_functions`.
        along: changes of the parameters.
    """
    coefficients, exponents, centres = (parameters[key] for key in ("coefficients", "exponents", "centres"))
    widened, shifted = along["exponents"], 2.0 * exponents * along["centres"]
    quadratic = [
        along["coefficients"] - coefficients * centres * (shifted + centres * widened),
        coefficients * (shifted + 2.0 * centres * widened),
        -coefficients * widened,
    ]
    chosen = jax.nn.one_hot(elements, len(coefficients), axis=1, dtype=distance.dtype)
    powers = [chosen * power[:, None, :] for power in _powers(distance, 2)]
    # One copy for each atom: for a product over atoms and neighbours XLA would transpose the arrays of all pairs.
    each = jnp.broadcast_to(
        jnp.concatenate(quadratic), (distance.shape[0], 3 * len(coefficients), len(exponents))
    )
    return jnp.einsum("ipk,ipn->ink", jnp.concatenate(powers, axis=1), each)


def _gaussians(distance: jax.Array, parameters: dict[str, jax.Array]) -> jax.Array:
    offset = distance[:, None, :] - parameters["centres"][:, None]
    return jnp.exp(-parameters["exponents"][:, None] * offset**2)


def orbitals(
    basis: OrbitalBasis, parameters: dict[str, Any], displacements: jax.Array, elements: jax.Array
) -> jax.Array:
    """Orbitals of all neighbours summed at each atom.

    Arguments:
        basis: its size.
        parameters: from `OrbitalBasis.initial_parameters`.
        displacements: to the neighbours [3, N, K], Å.
        elements: of the neighbours [N, K].

    Returns:
        [N, A, n]: A angular monomials (times the root of their weight) by n radial functions.
    """
    distance = lengths(displacements)
    radial = radial_functions(distance, elements, parameters, basis.cutoff)
    x, y, z = (_powers(component, basis.angular_momentum) for component in displacements / distance)
    angular = jnp.stack(
        [weight * x[i] * y[j] * z[k] for _, (i, j, k), weight in monomials(basis.angular_momentum)], axis=1
    )
    return _contract(angular, radial)


def of_degree(orbitals: jax.Array, degree: int) -> jax.Array:
    """The orbitals out of [N, A, n] that have this l: [N, (l + 1)(l + 2)/2, n]."""
    first = degree * (degree + 1) * (degree + 2) // 6
    return orbitals[:, first : first + (degree + 1) * (degree + 2) // 2]


def invariant_densities(basis: OrbitalBasis, orbitals: jax.Array) -> jax.Array:
    """Squared orbitals summed over each l: rotation-invariant features [N, n (l_max + 1)]."""
    squared = orbitals**2
    per_degree = [jnp.sum(of_degree(squared, degree), axis=1) for degree in range(basis.angular_momentum + 1)]
    return jnp.concatenate(per_degree, axis=-1)


def _powers(component: jax.Array, highest: int) -> list[jax.Array]:
    result = [jnp.ones_like(component)]
    for _ in range(highest):
        result.append(result[-1] * component)
    return result


def _by_element(coefficients: jax.Array, elements: jax.Array) -> jax.Array:
    """Rows of coefficients [elements, n] chosen by each neighbour's element [N, K], as [N, n, K].

    By selection, since the derivative of indexing is a scatter, slow on a CPU.
    """
    chosen = coefficients[0][:, None]
    for element in range(1, len(coefficients)):
        chosen = jnp.where((elements == element)[:, None, :], coefficients[element][:, None], chosen)
    return jnp.broadcast_to(chosen, (elements.shape[0], *chosen.shape[-2:]))


@jax.custom_jvp
def _contract(angular: jax.Array, radial: jax.Array) -> jax.Array:
    """Sum over neighbours of angular [N, A, K] by radial [N, n, K] functions: [N, A, n]."""
    return jnp.einsum("iak,ink->ian", angular, radial)


@_contract.defjvp
def _contract_jvp(
    primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    # The second term is transposed so that its own derivative contracts the last axis, five times faster on a CPU;
    # without the barrier XLA would merge the transposition into the product again.
    angular, radial = primals
    along_angular, along_radial = tangents
    second = jax.lax.optimization_barrier(jnp.einsum("ink,iak->ina", along_radial, angular))
    return _contract(angular, radial), _contract(along_angular, radial) + jnp.swapaxes(second, 1, 2)
