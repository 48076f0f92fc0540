"""The modules that each step depends on: they decide what runs again when code is edited."""

from pathlib import Path

import pytest

from dynrefine.campaign.provenance import closure
from dynrefine.config.steps import STEPS

# Written anew by `python tests/library/test_closures.py`; a step that gains a module shows in the difference.
TABLE = Path(__file__).with_name("closures.txt")


def modules_of(step):
    """Those of the library that a step imports, directly or not, without the plug-ins that it loads by name."""
    return sorted(name.removeprefix("dynrefine.") for name in closure(f"dynrefine.steps.{step}"))


def table():
    """The steps with their modules, one to a line."""
    return "".join(
        f"{step}\n" + "".join(f"    {module}\n" for module in modules_of(step)) for step in sorted(STEPS)
    )


def test_no_step_gains_a_module_unnoticed():
    assert table() == TABLE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("module", "steps"),
    [
        ("dynamics.adjoint", {"adjoint_gradient", "check_gradient", "gradient_horizon"}),
        (
            "dynamics.fixed_point",
            {
                "run_trajectories",
                "adjoint_gradient",
                "check_gradient",
                "gradient_horizon",
                "measure_sensitivities",
            },
        ),
        ("dynamics.langevin", set()),
        ("refinement.update", {"update_potential"}),
        ("datasets.checking", {"prepare_dataset"}),
        ("surfaces.lennard_jones", set()),
        ("surfaces.eann", set()),
        ("properties.infrared", set()),
        ("quantities.virial_pressure", set()),
    ],
)
def test_editing_a_module_runs_few_steps_again(module, steps):
    """Surfaces, properties, quantities and samplers are loaded by name: only those that a campaign uses count."""
    assert {step for step in STEPS if module in modules_of(step)} == steps


def test_what_runs_where_only_the_engine_is_installed_knows_no_jax():
    assert not any("numerics" in module for module in modules_of("label_frames"))


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
