# Checks of the gradient.


def settings_of_observable(wildcards):
    """The settings of the gradient of one observable alone."""
    return settings_of_state(
        "adjoint_gradient", surfaces=OTHER_SURFACES, observable=wildcards.observable
    )(wildcards)


def gradients_of_observables():
    """The gradients of each observable alone in the first iteration; for a single observable, the iteration's own."""
    return expand(
        (
            "<results>/refinement/000/{state}/gradient_{chunk}.npz"
            if len(OBSERVABLES) == 1
            else "<results>/check_gradient/{observable}/{state}/gradient_{chunk}.npz"
        ),
        observable=OBSERVABLES,
        state=STATES,
        chunk=CHUNKS,
    )


def objectives_displaced(side):
    """The objectives of the ensembles on one side of each displaced parameter."""
    return expand(
        "<results>/check_gradient/displaced_{side}_{parameter}/objective.csv",
        side=side,
        parameter=DISPLACEMENTS,
    )


def displacement(wildcards):
    """The settings of a stage's displacement."""
    return settings_of("displace_potential", displacement=DISPLACED[wildcards.stage])
