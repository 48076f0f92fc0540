import ast
import re
import subprocess
import sys
from itertools import permutations
from pathlib import Path
from types import SimpleNamespace

import pytest

from dynrefine.campaign import provenance
from dynrefine.campaign.seeds import derived_seed

ROOT = Path(__file__).parents[2]
MODULE = '''"""A module."""

from dynrefine.errors import CampaignError


def double(x):
    """Twice x."""
    if x < 0:
        raise CampaignError("x is negative")
    return 2 * x
'''


@pytest.fixture
def library(tmp_path, monkeypatch):
    package = tmp_path / "dynrefine"
    (package / "physics").mkdir(parents=True)
    (package / "__init__.py").write_text('__version__ = "1"\n')
    (package / "errors.py").write_text("class CampaignError(Exception):\n    pass\n")
    (package / "campaign").mkdir()
    (package / "campaign" / "__init__.py").write_text("")
    (package / "campaign" / "job.py").write_text("import time\n")
    (package / "physics" / "__init__.py").write_text("from dynrefine.physics.double import double\n")
    (package / "physics" / "double.py").write_text(MODULE)
    (package / "unused.py").write_text("x = 1\n")
    (package / "campaign" / "numerics.py").write_text("precision = 1\n")
    (package / "steps").mkdir()
    (package / "steps" / "__init__.py").write_text("")
    (package / "steps" / "step.py").write_text(
        "from dynrefine.campaign.job import Job\nfrom dynrefine.physics import double\ndouble(3)\n"
    )
    (tmp_path / "elsewhere.py").write_text("from dynrefine.unused import x\ny = 1\n")
    monkeypatch.setattr(provenance, "PACKAGE", package)
    return tmp_path


def hash_of(library):
    provenance._meaning.cache_clear()
    provenance._imports.cache_clear()
    provenance._names.cache_clear()
    return provenance.source_hash("dynrefine.steps.step")


@pytest.mark.parametrize(
    ("path", "old", "new", "changes"),
    [
        ("dynrefine/steps/step.py", "double(3)", "double(3)  # a comment", False),
        ("dynrefine/steps/step.py", "double(3)", "double(4)", True),
        ("dynrefine/physics/double.py", '"""Twice x."""', '"""Two times x."""', False),
        ("dynrefine/physics/double.py", "x is negative", "x is below zero", False),
        ("dynrefine/physics/double.py", "x < 0", "x < 1", True),
        ("dynrefine/physics/double.py", "2 * x", "x + x", True),
        ("dynrefine/__init__.py", '"1"', '"2"', True),
        ("dynrefine/campaign/job.py", "import time", "import logging", False),
        ("dynrefine/errors.py", "Exception", "ValueError", False),
        ("dynrefine/unused.py", "x = 1", "x = 2", False),
    ],
)
def test_only_what_a_script_computes_changes_its_hash(library, path, old, new, changes):
    before = hash_of(library)
    text = (library / path).read_text()
    assert old in text
    (library / path).write_text(text.replace(old, new))
    assert (hash_of(library) != before) == changes


@pytest.mark.parametrize(
    ("path", "old", "new"), [("elsewhere.py", "y = 1", "y = 2"), ("dynrefine/unused.py", "x = 1", "x = 2")]
)
def test_a_plug_in_outside_the_library_belongs_to_what_loads_it(library, monkeypatch, path, old, new):
    monkeypatch.syspath_prepend(library)
    plain = hash_of(library)

    def hash_with_plug_in():
        hash_of(library)
        return provenance.source_hash("dynrefine.steps.step", ["elsewhere"])

    before = hash_with_plug_in()
    assert before != plain
    (library / path).write_text((library / path).read_text().replace(old, new))
    assert hash_of(library) == plain
    assert hash_with_plug_in() != before


def test_how_jax_is_set_up_belongs_to_the_scripts_that_use_it(library):
    numerics, double = library / "dynrefine/campaign/numerics.py", library / "dynrefine/physics/double.py"
    without = hash_of(library)
    numerics.write_text("precision = 2\n")
    assert hash_of(library) == without
    double.write_text(f"import jax.numpy as jnp\n{MODULE}")
    before = hash_of(library)
    numerics.write_text("precision = 3\n")
    assert hash_of(library) != before


def test_imports_are_absolute_so_that_the_hash_sees_them():
    for path in (ROOT / "workflow").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path} has a relative import"


def test_config_hash_follows_values_not_their_order():
    assert provenance.config_hash({"a": 1, "b": [2.0]}) == provenance.config_hash({"b": [2.0], "a": 1})
    assert provenance.config_hash({"a": 1}) != provenance.config_hash({"a": 2})


def test_versions_of_all_libraries_are_known():
    assert set(provenance.library_versions()) == {"python", "dynrefine", *provenance.LIBRARIES}


def test_seeds_differ_by_campaign_and_label_and_never_change():
    seeds = {
        derived_seed(campaign, rule, iteration, chunk)
        for campaign in (1, 2)
        for rule in ("sample_ensemble", "sample_validation")
        for iteration in ("000", "001")
        for chunk in ("00", "01")
    }
    assert len(seeds) == 16
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert derived_seed(1, "sample_ensemble", "000", "298K", "00") == 2864343961


def test_seeds_follow_every_label_and_their_order():
    labels = (1, "sample_ensemble", "000", "298K", "00")
    changed = [(*labels[:i], "2", *labels[i + 1 :]) for i in range(5)]
    dropped = [("1", *labels[1:i], *labels[i + 1 :]) for i in range(1, 5)]
    ordered = [(1, *order) for order in permutations(labels[1:])]
    every = [*changed, *dropped, *ordered]
    assert len({derived_seed(*each) for each in every}) == len(every)


def seeds_of_rules(campaign_seed):
    """The functions `seed` and `chunk_seed` of the rules, in a campaign of this seed."""
    rules = (ROOT / "workflow/rules/common/jobs.smk").read_text(encoding="utf-8")
    functions = re.findall(r"^def (?:chunk_)?seed\(.*?\n(?=\S)", rules, flags=re.DOTALL | re.MULTILINE)
    assert len(functions) == 2
    campaign = SimpleNamespace(campaign=SimpleNamespace(seed=campaign_seed))
    names = {"derived_seed": derived_seed, "campaign": campaign}
    exec("".join(functions), names)
    return names["seed"], names["chunk_seed"]


def test_jobs_of_rules_differ_in_their_seeds_by_all_that_tells_them_apart():
    seed, chunk_seed = seeds_of_rules(5)
    assert seed("train_dipole") == derived_seed(5, "train_dipole")
    for wildcards in (["000", "300K", "01"], ["001", "300K", "01"], ["001", "350K", "01"]):
        found = chunk_seed("sample_ensemble")(wildcards)
        assert found == derived_seed(5, "sample_ensemble", *wildcards)


def names_of(path):
    """The names that a file of functions for the rules binds, with where they come from."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None)
            yield from ((each.asname or each.name, f"{module} {each.name}") for each in node.names)
        elif isinstance(node, ast.FunctionDef):
            yield node.name, path.name
        elif isinstance(node, ast.Assign):
            targets = (each for target in node.targets for each in ast.walk(target))
            yield from ((each.id, path.name) for each in targets if isinstance(each, ast.Name))


def test_what_the_rules_share_has_names_of_its_own():
    """All files share one namespace, in which a second thing of a name would take the place of the first."""
    origins = {}
    for path in sorted((ROOT / "workflow/rules/common").glob("*.smk")):
        for name, origin in names_of(path):
            assert origins.setdefault(name, origin) == origin, f"{name} is of {origins[name]} and of {origin}"
    assert {"code", "STATES", "path_of"} <= origins.keys()


def test_every_rule_has_a_seed_of_its_own():
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "workflow/rules").glob("*.smk"))
    rules = re.findall(r"^(?:use rule \w+ as|rule) (\w+)", text, flags=re.MULTILINE)
    seeds = re.findall(r"\bseed=(?:chunk_)?seed\(\"(\w+)\"\)", text)
    # What is done with one of several surfaces has a function for its seed.
    of_surfaces = len(re.findall(r" seed=(?:training|own_dataset)_seed\b", text))
    assert len(seeds) == len(set(seeds)) == text.count(" seed=") - of_surfaces
    assert set(seeds) <= set(rules)


JOB = """
import sys, warnings
from types import SimpleNamespace
from dynrefine.errors import CampaignError
from dynrefine.campaign.job import surroundings

class Values(dict):
    def __getattr__(self, name): return self[name]

snakemake = SimpleNamespace(
    rule="sample_ensemble", log=["logs/job.log"], threads=1, resources={},
    wildcards={"chunk": "00"}, params=Values(%s)
)
with surroundings(snakemake):
%s
"""


def run_job(folder, body, params="precision='float64'"):
    script = JOB % (params, "\n".join("    " + line for line in body.splitlines()))
    finished = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True)
    return finished, (folder / "logs/job.log").read_text()


def test_a_job_logs_its_settings_device_and_duration(tmp_path):
    finished, log = run_job(
        tmp_path, "import jax.numpy as jnp\nprint(jnp.ones(3).dtype)\nwarnings.warn('hm')"
    )
    assert finished.returncode == 0
    assert finished.stdout == "float64\n"
    for text in (
        "started 20",
        '"rule": "sample_ensemble"',
        "device: CPU",
        "1 CPU threads",
        "hm",
        "ended after",
    ):
        assert text in log
    assert "UserWarning: hm" in finished.stderr
    assert "started" not in finished.stderr
    assert list((tmp_path / "results/.jax_cache").glob("*/*-cache")), "nothing was compiled into the cache"


def test_a_foreseen_error_is_one_line(tmp_path):
    finished, log = run_job(tmp_path, "raise CampaignError('x is 1, expected 2: change it.')", params="")
    assert finished.returncode == 1
    assert finished.stderr == "error: x is 1, expected 2: change it.\n"
    assert "error: x is 1, expected 2: change it.\n" in log
    assert "Traceback" not in log


def test_an_unforeseen_error_leaves_its_traceback_in_the_log(tmp_path):
    finished, log = run_job(tmp_path, "[][3]", params="")
    assert finished.returncode == 1
    assert "Traceback" in log
    assert "IndexError" in log
    assert "ended after" in log


BUSY = """
import os
import jax, jax.numpy as jnp

def busy():
    ticks = {}
    for thread in os.listdir("/proc/self/task"):
        fields = open(f"/proc/self/task/{thread}/stat").read().rsplit(")", 1)[1].split()
        ticks[thread] = int(fields[11]) + int(fields[12])
    return ticks

@jax.jit
def work(x):
    return jax.lax.fori_loop(0, 100, lambda _, y: jnp.tanh(y @ y * 1e-3), x)

x = jnp.ones((600, 600))
y = (x + 1).block_until_ready()
work(x).block_until_ready()
before = busy()
work(y).block_until_ready()
spent = [ticks - before.get(thread, 0) for thread, ticks in busy().items()]
print(max(spent) > 0.8 * sum(spent), sum(spent))
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's accounts of threads")
def test_a_job_of_one_thread_keeps_one_thread_busy(tmp_path):
    finished, _ = run_job(tmp_path, BUSY, params="precision='float32'")
    assert finished.stdout.startswith("True"), f"several threads shared the work: {finished}"


def test_the_cache_of_compiled_programs_can_lie_elsewhere(tmp_path, monkeypatch):
    from dynrefine.campaign.jax_setup import CACHE_VARIABLE, compilation_cache

    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert compilation_cache().parent == tmp_path
