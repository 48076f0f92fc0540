"""How well the fitted measurements determine named parameters, from their Fisher information.

With J the derivatives of the fitted properties, σ their errors and s the sizes of the parameters, the covariance is

    C = s [s Jᵀ σ⁻² J s + 1]⁻¹ s,

where the 1 is the prior: each parameter is known to within its own size. A combination of parameters about which the
measurements say nothing keeps a relative uncertainty of 1. A property that was not fitted has the error
(Jq C Jqᵀ)^½ from the parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from dynrefine.refinement.sensitivities import Derivatives

_PAIRS = [
    "parameter",
    "other",
    "unit",
    "value",
    "uncertainty",
    "uncertainty_error",
    "covariance",
    "correlation",
]


@dataclass(frozen=True)
class Property:
    """A property of a state, what was measured of it, and its derivatives.

    Attributes:
        name: of the property.
        state: label of the state.
        quantities: name and unit of abscissa and property.
        abscissa: where it is compared [W].
        target: measured there [W]; NaN where nothing was.
        target_error: of the measurement [W]; zero where it is not known.
        fitted: whether the refinement saw it.
        derivatives: of the property.
    """

    name: str
    state: str
    quantities: tuple[tuple[str, str], tuple[str, str]]
    abscissa: np.ndarray
    target: np.ndarray
    target_error: np.ndarray
    fitted: bool
    derivatives: Derivatives

    @property
    def informs(self) -> Bool[np.ndarray, " W"]:
        """Which points the parameters were fitted to."""
        return np.isfinite(self.target) & self.fitted

    @property
    def error(self) -> Float[np.ndarray, " W"]:
        """Of the comparison: that of the measurement and the statistical one of the simulation."""
        return np.hypot(self.target_error, self.derivatives.prediction_error)

    def points(self) -> pd.DataFrame:
        """One row for each point: property, state, fitted, abscissa, ..., value, standard_error."""
        (_, abscissa_unit), (_, unit) = self.quantities
        return pd.DataFrame(
            {
                "property": self.name,
                "state": self.state,
                "fitted": self.fitted,
                "abscissa": self.abscissa,
                "abscissa_unit": abscissa_unit,
                "unit": unit,
                "target": self.target,
                "target_error": self.target_error,
                "value": self.derivatives.prediction,
                "standard_error": self.derivatives.prediction_error,
            }
        )


@dataclass(frozen=True, eq=False)
class Determination:
    """What properties tell about parameters.

    Attributes:
        parameters: names of P parameters.
        values: of these [P].
        properties: of all states.
    """

    parameters: Sequence[str]
    values: Float[np.ndarray, " P"]
    properties: Sequence[Property]

    @cached_property
    def covariance(self) -> Float[np.ndarray, "P P"]:
        """Of the parameters, in their units."""
        return self._covariance([each.derivatives.jacobian for each in self.properties])

    @cached_property
    def uncertainty_error(self) -> Float[np.ndarray, " P"]:
        """Standard error of the parameters' uncertainties, by leaving out one chain of a state at a time."""
        jacobians = [each.derivatives.jacobian for each in self.properties]
        variance = np.zeros(len(self.values))
        for state in dict.fromkeys(each.state for each in self.properties):
            own = [number for number, each in enumerate(self.properties) if each.state == state]
            count = len(self.properties[own[0]].derivatives.left_out)
            found = []
            for left_out in range(count):
                moved = list(jacobians)
                for number in own:
                    moved[number] = self.properties[number].derivatives.left_out[left_out]
                found.append(np.sqrt(np.diag(self._covariance(moved))))
            variance += (count - 1) * np.var(found, axis=0)
        return np.sqrt(variance)

    def _covariance(self, jacobians: Sequence[np.ndarray]) -> np.ndarray:
        sizes = np.where(self.values == 0.0, 1.0, np.abs(self.values))
        information = np.eye(len(sizes))
        for each, jacobian in zip(self.properties, jacobians, strict=True):
            rows = (sizes * jacobian / each.error[:, None])[each.informs]
            information = information + rows.T @ rows
        return sizes[:, None] * np.linalg.inv(information) * sizes

    def pairs(self, units: Sequence[str]) -> pd.DataFrame:
        """One row for each pair of parameters.

        Arguments:
            units: of the parameters.

        Returns:
            parameter, other, unit, value, uncertainty, uncertainty_error (of the parameter), covariance, correlation.
        """
        uncertainty = np.sqrt(np.diag(self.covariance))
        rows = [
            (
                parameter,
                other,
                units[one],
                self.values[one],
                uncertainty[one],
                self.uncertainty_error[one],
                self.covariance[one, two],
                self.covariance[one, two] / (uncertainty[one] * uncertainty[two]),
            )
            for one, parameter in enumerate(self.parameters)
            for two, other in enumerate(self.parameters)
        ]
        return pd.DataFrame(rows, columns=_PAIRS)

    def sensitivities(self) -> pd.DataFrame:
        """Derivatives of all properties with respect to each parameter, and errors from the parameters' covariance.

        Returns:
            property, state, fitted, abscissa, abscissa_unit, unit, target, target_error, value, standard_error,
            parameter_error (of the value, from all parameters), parameter, derivative, derivative_error.
        """
        return pd.concat([self._rows(each) for each in self.properties], ignore_index=True)

    def _rows(self, each: Property) -> pd.DataFrame:
        own = each.derivatives
        errors = np.sqrt(np.einsum("wp,pq,wq->w", own.jacobian, self.covariance, own.jacobian))
        points = each.points().assign(parameter_error=errors)
        return pd.concat(
            [
                points.assign(
                    parameter=name,
                    derivative=own.jacobian[:, number],
                    derivative_error=own.jacobian_error[:, number],
                )
                for number, name in enumerate(self.parameters)
            ],
            ignore_index=True,
        )
