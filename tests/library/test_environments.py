import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions, requires
from importlib.util import find_spec
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from dynrefine.config.steps import STEPS

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / "envs"
PIP_NAMES = {
    "matplotlib-base": "matplotlib",
    "python-flatbuffers": "flatbuffers",
    "snakemake-minimal": "snakemake",
}
NOT_FROM_PIP = {"python", "cp2k"}


def pip_versions(python):
    lines = (ENVIRONMENTS / "requirements.txt").read_text().splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    chosen = [pin for pin in pins if pin.marker is None or pin.marker.evaluate({"python_version": python})]
    return {pin.name: str(pin.specifier).removeprefix("==") for pin in chosen}


@pytest.mark.parametrize("path", sorted(ENVIRONMENTS.glob("*.yaml")), ids=lambda path: path.name)
def test_conda_and_pip_install_the_same_versions(path):
    conda = dict(re.findall(r"^ +- ([\w-]+) ?==?([\w.]+)", path.read_text(), flags=re.MULTILINE))
    shared = {
        PIP_NAMES.get(name, name): version for name, version in conda.items() if name not in NOT_FROM_PIP
    }
    pip = pip_versions(conda["python"])
    assert {name: pip.get(name) for name in shared} == shared


@pytest.mark.parametrize("environment", ["dynrefine.yaml", "dynrefine-cuda.yaml"])
def test_campaigns_can_be_run_from_the_environments_of_conda(environment):
    """The Snakefile reads the configuration with the library, so that both stand in one environment."""
    listed = set(re.findall(r"^  - ([\w-]+) =", (ENVIRONMENTS / environment).read_text(), flags=re.MULTILINE))
    assert {"snakemake-minimal", "snakemake-executor-plugin-slurm", "pygments", "jax"} <= listed


# The imports of scripts, in a process that finds only some packages.
IMPORTS = """
import ast, importlib.metadata, sys
from pathlib import Path

allowed, scripts = set(sys.argv[1].split()), sys.argv[2:]
installed = importlib.metadata.packages_distributions()

class OnlyAllowed:
    def find_spec(self, name, path=None, target=None):
        packages = installed.get(name.partition(".")[0], ())
        if packages and not allowed & {package.lower().replace("_", "-") for package in packages}:
            raise ModuleNotFoundError(f"{script} needs {name}, which is not in its environment", name=name)

sys.meta_path.insert(0, OnlyAllowed())
for script in scripts:
    tree = ast.parse(Path(script).read_text(encoding="utf-8"))
    nodes = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    exec("\\n".join(ast.unparse(node) for node in nodes))
"""


def rules():
    """The text of each rule, from its name on."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "workflow/rules").glob("*.smk")]
    return [rule for text in texts for rule in re.split(r"^rule |^use rule ", text, flags=re.MULTILINE)[1:]]


def scripts_by_environment():
    """The steps that the rules run, by their environment files."""
    scripts = {}
    for rule in rules():
        environment = re.search(r'conda:\s+"\.\./\.\./envs/(.+)"', rule)
        script = re.search(r'script:\s+"\.\./(scripts/.+)"', rule)
        if environment and script:
            step = ROOT / "workflow/dynrefine/steps" / Path(script[1]).name
            scripts.setdefault(environment[1], set()).add(step)
    return scripts


def installed_with(names):
    """These distributions and all that they need, by their names in lower case."""
    found, pending = set(), [name.lower() for name in names]
    while pending:
        name = pending.pop().replace("_", "-")
        if name not in found:
            found.add(name)
            needs = map(Requirement, requires(name) or ())
            pending += [n.name.lower() for n in needs if n.marker is None or n.marker.evaluate({"extra": ""})]
    return found


def packages_of(environment):
    listed = re.findall(r"^  - ([\w-]+) =", (ENVIRONMENTS / environment).read_text(), flags=re.MULTILINE)
    return installed_with({PIP_NAMES.get(name, name) for name in listed if name not in NOT_FROM_PIP})


def test_each_script_is_of_a_rule_with_an_environment_and_runs_the_step_of_its_name():
    names = {step.stem for step in set().union(*scripts_by_environment().values())}
    scripts = list((ROOT / "workflow/scripts").glob("*.py"))
    assert names == {script.stem for script in scripts} == set(STEPS)
    for script in scripts:
        assert f'run_step("{script.stem}", snakemake)' in script.read_text(encoding="utf-8")


def test_rules_whose_steps_keep_to_limits_have_them_among_their_resources():
    limited = {"run_trajectories"}
    for path in (ROOT / "workflow/dynrefine/steps").glob("*.py"):
        limited |= {path.stem} if "reversal_tolerance" in path.read_text(encoding="utf-8") else set()
    with_limits = [rule for rule in rules() if "limits=LIMITS" in rule]
    assert {re.match(r"\w+", rule)[0] for rule in with_limits} == limited >= {"adjoint_gradient"}


@pytest.mark.parametrize("environment", scripts_by_environment())
def test_scripts_import_what_their_environment_has(environment):
    allowed = " ".join(sorted(packages_of(environment) | {"dynrefine"}))
    library = ROOT / "workflow/dynrefine"
    scripts = [library / "campaign/job.py", *sorted(scripts_by_environment()[environment])]
    if "jax" in packages_of(environment):  # plug-ins are loaded by their names, which no import tells
        scripts += [path for path in sorted(library.rglob("*.py")) if path not in scripts]
    ended = subprocess.run([sys.executable, "-c", IMPORTS, allowed, *scripts], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_the_library_imports_what_it_asks_for():
    """What comes along with other packages may go with them."""
    names = map(Requirement, requires("dynrefine") or ())
    asked_for = {requirement.name.lower().replace("_", "-") for requirement in names}
    installed, needed = packages_distributions(), {}
    for path in (ROOT / "workflow/dynrefine").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            needed |= {name.partition(".")[0]: path.name for name in modules}
    own = {"dynrefine", *sys.stdlib_module_names}
    packages = {name: installed.get(name, [name]) for name in set(needed) - own}
    missing = {
        name: needed[name]
        for name, found in packages.items()
        if not asked_for & {each.lower().replace("_", "-") for each in found}
    }
    assert missing == {}
    assert {"scipy", "jax", "pandas"} <= set(packages)


def test_frames_are_labelled_without_jax():
    assert "jax" not in packages_of("cp2k.yaml")
    assert ROOT / "workflow/dynrefine/steps/label_frames.py" in scripts_by_environment()["cp2k.yaml"]


def test_what_nequix_needs_is_pinned_but_for_cuda_and_its_own_training():
    """It is installed without its dependencies, so that nothing else brings them."""
    lines = (ENVIRONMENTS / "nequix.txt").read_text().splitlines()
    pinned = {Requirement(line).name for line in lines if not line.startswith("#")}
    if any(find_spec(name.replace("-", "_")) is None for name in pinned):
        pytest.skip("nequix is not installed: pip install --no-deps -r envs/nequix.txt")
    everything = (ENVIRONMENTS / "requirements.txt").read_text().splitlines()
    main = {Requirement(line).name.lower() for line in everything if not line.startswith("#")}
    assert installed_with(pinned - {"nequix"}) <= main | pinned
