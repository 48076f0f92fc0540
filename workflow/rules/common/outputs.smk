# Files that only some campaigns have.

TRAINING_FRAMES = with_dataset("<results>/dataset/train.extxyz")
METRIC = "<results>/pretraining/force_metric.npz"
FORCE_METRIC = METRIC if campaign.optimiser.name == "natural" else []
HORIZON = (
    "<results>/gradient_horizon/horizon.csv"
    if campaign.gradient.depth == "auto"
    else []
)
# How well the data determine named parameters, or else potentials drawn around the refined one.
NAMED = bool(campaign.potential.parameters)
COVARIANCE, SENSITIVITIES, LEFT_OPEN = (
    (
        f"<results>/validation/refined/{name}.csv"
        if campaign.validation.covariance and named == NAMED
        else []
    )
    for name, named in {
        "covariance": True,
        "sensitivities": True,
        "left_open": False,
    }.items()
)
PATH_INTEGRALS = (
    [
        "<results>/path_integrals/refined/properties.csv",
        "<results>/path_integrals/refined/curves.npz",
        "<results>/path_integrals/refined/energies.csv",
    ]
    if campaign.validation.path_integrals
    else []
)
TOTAL_DERIVATIVE = (
    "<results>/check_gradient/total_derivative.csv" if DISPLACEMENTS else []
)
