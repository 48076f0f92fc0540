"""What runs when: the graph of jobs, tried with stand-ins for the scripts."""

import re
import zipfile

import pytest
import yaml
from campaigns import AFTERWARDS, ITERATION, ROOT

ONCE = 7  # the rules of data, training, force metric, figures, gradient check and report


def edit(campaign, path, old, new):
    file = campaign.folder / "workflow" / path
    text = file.read_text()
    assert old in text, f"{path} has no {old!r}"
    file.write_text(text.replace(old, new, 1))


def test_every_step_leaves_a_benchmark(finished_stand_in):
    steps = {
        path.relative_to(finished_stand_in.results / "benchmarks").with_suffix("")
        for path in (finished_stand_in.results / "benchmarks").rglob("*.tsv")
    }
    assert len(steps) == ONCE + 2 * sum(ITERATION.values()) + 2 * (1 + 1 + 1)


def test_raising_the_iterations_adds_only_the_new_ones(stand_in):
    more = stand_in.configure("more.yaml", optimiser={"iterations": 3})
    assert stand_in.planned(configuration=more) == ITERATION | AFTERWARDS


def test_one_file_of_one_rule_can_be_asked_for(stand_in):
    gradient = stand_in.results / "refinement/001/300K/gradient_01.npz"
    gradient.unlink()
    assert stand_in.planned(str(gradient.relative_to(stand_in.folder))) == {"adjoint_gradient": 1}


def test_a_finished_campaign_has_nothing_to_do_where_comments_changed(stand_in):
    for path in ("dynrefine/steps/adjoint_gradient.py", "dynrefine/files/arrays.py", "rules/gradient.smk"):
        with open(stand_in.folder / "workflow" / path, "a") as file:
            file.write("# a comment\n")
    assert stand_in.planned() == {}


def test_changed_code_runs_its_rule_and_what_follows_again(stand_in):
    edit(stand_in, "dynrefine/steps/validate.py", "    found = {}\n", "    found = dict()\n")
    assert stand_in.planned() == {"validate": 2, "write_report": 1}


@pytest.mark.parametrize(
    ("changes", "planned"),
    [
        # what labels frames changes nothing where none are to be labelled
        (
            {"gradient": {"check": {"steps": 8}}, "labelling": {"command": "mpirun -n 4 cp2k.psmp"}},
            {"check_gradient": 1, "write_report": 1},
        ),
        ({"validation": {"length": 60}}, {"run_validation": 2, "validate": 2, "write_report": 1}),
        # what stops jobs changes nothing of those that ended well
        (
            {"trajectory": {"energy_drift": 9.0}, "gradient": {"reversal_tolerance": 0.1}},
            {"write_report": 1},
        ),
    ],
)
def test_a_changed_setting_runs_only_what_uses_it(stand_in, changes, planned):
    assert stand_in.planned(configuration=stand_in.configure("changed.yaml", **changes)) == planned


def test_starting_points_that_serve_again_leave_the_validation_of_the_initial_potential_alone(stand_in):
    planned = stand_in.planned(configuration=stand_in.configure("reusing.yaml", ensemble={"reuse": 0.9}))
    assert planned["sample_validation"] == planned["run_validation"] == planned["validate"] == 1


def test_a_campaign_without_a_data_set_trains_nothing(stand_in):
    planned = stand_in.planned(configuration="config/argon-quick.yaml")
    assert planned["initial_potential"] == 1
    assert planned["update_potential"] == planned["evaluate_objective"]
    of_frames = {
        "prepare_dataset",
        "train_surface",
        "anchor_gradient",
        "measure_force_metric",
    }
    assert not planned.keys() & (of_frames | {"draw_figures", "label_frames", "download_frames"})


def test_surfaces_in_files_are_not_trained_and_can_be_judged_alone(stand_in):
    (stand_in.folder / "given.npz").touch()
    given = {"file": {"url": "given.npz", "path": "resources/given.npz", "sha256": 64 * "0"}}
    configuration = stand_in.configure("given.yaml", potential=given, dipole=given)
    planned = stand_in.planned(configuration=configuration)
    taken = {"download_frames": 1, "initial_potential": 1, "surface_from_file": 1}
    assert taken.items() <= planned.items()
    assert planned["measure_force_metric"] == 1  # the data set is still there
    assert "train_surface" not in planned
    judged = stand_in.planned("results/toy/validation/initial/properties.csv", configuration=configuration)
    assert judged == taken | {"sample_validation": 1, "run_validation": 1, "validate": 1}


def test_a_refined_surface_is_joined_to_the_potential_and_held_at_its_labels(stand_in):
    refined = stand_in.configure("joined.yaml", optimiser={"surfaces": {"dipole": {"change": 1.0}}})
    planned = stand_in.planned(configuration=refined)
    assert (planned["join_surfaces"], planned["measure_surface"]) == (1, 2)
    assert "train_surface" not in planned  # they are as they were
    assert planned["run_trajectories"] == ITERATION["run_trajectories"] * 2
    judged = "results/toy/validation/initial/properties.csv"
    assert stand_in.planned(judged, configuration=refined).keys() == {
        "join_surfaces",
        "sample_validation",
        "run_validation",
        "validate",
    }


def test_a_mean_of_potentials_is_what_is_judged(stand_in):
    averaging = stand_in.configure("averaging.yaml", optimiser={"averaged": 2})
    refined = "results/toy/validation/refined/properties.csv"
    told = stand_in.snakemake(refined, "--dry-run", configuration=averaging).stdout
    assert "rule average_potentials:" in told
    for rule in ("sample_validation", "run_validation", "validate"):
        (inputs,) = re.findall(rf"rule {rule}:\n\s+input: (.*)", told)
        assert "refinement/averaged_potential.npz" in inputs and "updated_potential" not in inputs


@pytest.mark.parametrize(("held_at", "reading"), [("labels", 1), ("beginning", 2)])
def test_a_surface_held_where_it_began_reads_where_that_was(stand_in, held_at, reading):
    """In both iterations; held at its labels in the first one alone, which is where it is and is measured."""
    surfaces = {"dipole": {"held_at": held_at}}
    refined = stand_in.configure("held.yaml", optimiser={"surfaces": surfaces})
    told = stand_in.snakemake("--dry-run", configuration=refined).stdout
    inputs = re.findall(r"rule measure_surface:\n\s+input: (.*)", told)
    assert len(inputs) == 2 and sum("joined_potential.npz" in each for each in inputs) == reading


def test_what_judges_a_refined_surface_tells_its_errors_again_where_they_are_computed_otherwise(stand_in):
    shipped = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))["dipole"]
    own = {"angular_momentum": 2} | shipped
    configuration = stand_in.configure("given.yaml", dipole=own, optimiser={"surfaces": {"dipole": {}}})
    judged = "results/toy/validation/initial/properties.csv"
    stand_in.run(judged, configuration=configuration)
    edit(
        stand_in, "dynrefine/training/dipole.py", "(predicted - labelled) ** 2", "(labelled - predicted) ** 2"
    )
    assert stand_in.planned(judged, configuration=configuration) == {"validate": 1}


def test_a_teacher_keeps_the_surfaces_that_its_student_refines(stand_in):
    student = yaml.safe_load((ROOT / "config/teacher-water.yaml").read_text(encoding="utf-8"))
    student["optimiser"]["surfaces"] = {"dipole": {"change": 1.0}}
    (stand_in.folder / "taught.yaml").write_text(yaml.safe_dump(student), encoding="utf-8")
    for stage, seen in (("teacher", True), ("refined", False)):
        target = f"results/teacher-water/validation/{stage}/300K/trajectories_00.npz"
        told = stand_in.snakemake(target, "--dry-run", configuration="taught.yaml").stdout
        (inputs,) = re.findall(rf"rule run_validation:\n\s+input: (.*validation/{stage}/.*)", told)
        assert ("pretraining/dipole.npz" in inputs) == seen


def test_the_report_reads_the_measurements_of_what_judges_and_the_frames_of_each_data_set(stand_in):
    told = stand_in.snakemake("--dry-run", "--forceall", configuration="config/water.yaml").stdout
    (inputs,) = re.findall(r"rule write_report:\n\s+input: (.*)", told)
    assert "targets/water_rdf_OO_295K.csv" in inputs
    assert "results/water/dataset_dipole/frames.csv" in inputs


def test_independent_ensembles_are_simulated_on_both_sides_of_each_parameter_asked_for(stand_in):
    planned = stand_in.planned(configuration="config/argon.yaml")
    assert planned["check_total_derivative"] == 1
    assert "gradient_of_observable" not in planned  # there is one alone
    assert planned["displace_potential"] == planned["evaluate_displaced"] == 4  # two parameters
    assert planned["run_validation"] == 2 * (4 + planned["validate"])  # two chunks each
    assert "estimate_covariance" not in planned


@pytest.mark.slow
def test_the_covariance_of_parameters_is_estimated_where_it_is_asked_for(stand_in):
    planned = stand_in.planned(configuration="config/argon-two-targets.yaml")
    assert (planned["measure_sensitivities"], planned["estimate_covariance"]) == (2, 1)  # of two chunks
    asked_for = stand_in.configure("drawn.yaml", validation={"covariance": True})
    planned = stand_in.planned(configuration=asked_for)
    assert planned["draw_potentials"] == planned["measure_sensitivities"] == 1  # of one chunk
    assert planned["compare_drawn_potentials"] == 1 and "estimate_covariance" not in planned


def test_a_teacher_is_simulated_as_the_student_is_and_makes_its_targets(stand_in):
    planned = stand_in.planned(configuration="config/teacher-argon.yaml")
    assert planned["validate"] == 3  # the teacher, the student before and after
    assert planned["sample_validation"] == planned["run_validation"] == 2 * 3  # two chunks each
    assert (planned["teacher_potential"], planned["compare_with_teacher"]) == (1, 2)
    assert planned["write_target"] == 5


def test_a_teacher_is_trained_on_frames_of_its_own(stand_in):
    planned = stand_in.planned(configuration="config/teacher-water.yaml")
    assert planned["train_surface"] == 3  # of the student, the teacher, and the dipole that both share
    assert (planned["prepare_dataset"], planned["prepare_own_dataset"]) == (1, 2)
    assert (planned["write_target"], planned["compare_with_teacher"]) == (4, 2)


def test_a_wrong_configuration_stops_before_the_first_job(stand_in):
    wrong = stand_in.configure("wrong.yaml", optimiser={"iteration": 3}, trajectory={"length": -1})
    finished = stand_in.snakemake(configuration=wrong)
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-3:] == [
        "The configuration cannot be used.",
        "trajectory.length is -1, expected a number above 0 "
        "(Length of a trajectory in each direction of time, fs): correct it.",
        "optimiser.iteration (value 3) is not a known key, expected 'iterations': correct the spelling.",
    ]
    assert "Traceback" not in finished.stderr


def test_a_configuration_on_the_command_line_replaces_the_default_one(stand_in):
    finished = stand_in.snakemake("--dry-run", "results/water16/report.html")
    assert finished.returncode == 1
    assert "MissingRuleException" in finished.stdout


def rules_for_devices():
    """The rules that name the resource `gpu`, and those made from them."""
    text = "".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
    found = set(re.findall(r"^rule (\w+):\n(?:    .*\n|\n)*?        gpu=0,\n", text, flags=re.MULTILINE))
    copies = re.findall(r"^use rule (\w+) as (\w+) with:", text, flags=re.MULTILINE)
    return found | {copy for rule, copy in copies if rule in found}


def steps_of(campaign, *arguments):
    """What Snakemake says of a job of each rule when all are to run."""
    finished = campaign.snakemake("--dry-run", "--forceall", *arguments, cores=None if arguments else 1)
    assert finished.returncode == 0, finished.stderr
    assert "Exception" not in finished.stdout + finished.stderr
    return {step.split(":")[0]: step for step in finished.stdout.split("\nrule ")[1:]}


def test_without_a_profile_no_job_asks_for_a_gpu(stand_in):
    steps = steps_of(stand_in)
    without_jax = {"prepare_dataset", "draw_figures", "write_report", "all"}
    light = {"evaluate_objective", "update_potential"}  # of a second or two
    assert set(steps) - rules_for_devices() == without_jax | light
    assert not any("gpu=1" in step for step in steps.values())


@pytest.mark.parametrize("profile", ["slurm", "workflow/profiles/workstation-gpu"])
def test_profiles_ask_for_gpus_where_they_are_of_use(stand_in, profile):
    entries = yaml.safe_load((stand_in.folder / profile / "profile.yaml").read_text())
    assert set(entries["set-resources"]) == rules_for_devices()
    if profile == "slurm":
        pytest.importorskip("snakemake_executor_plugin_slurm")
    for rule, step in steps_of(stand_in, "--profile", profile).items():
        on_gpu = rule in rules_for_devices()
        assert ("gpu=1" in step) == on_gpu, rule
        if profile == "slurm":
            assert f"slurm_partition={'gpu' if on_gpu else 'cpu'}" in step, rule


def test_the_report_of_snakemake_can_be_made(stand_in):
    finished = stand_in.snakemake("--report", "report.zip")
    assert finished.returncode == 0, finished.stderr
    assert zipfile.ZipFile(stand_in.folder / "report.zip").testzip() is None
