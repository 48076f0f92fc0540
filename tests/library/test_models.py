"""Models in files: what is loaded is what was saved, and not what another configuration describes."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from systems import DIPOLE, ELEMENTS, POTENTIAL

from dynrefine.errors import CampaignError
from dynrefine.files.arrays import ArrayFile, read_arrays, write_arrays
from dynrefine.files.models import create_model, flat_parameters, load_model, save_model

pytestmark = pytest.mark.usefixtures("fast_compilation")


@pytest.fixture(scope="module", params=[POTENTIAL, DIPOLE], ids=["potential", "dipole"])
def settings(request):
    """Configuration section of a model."""
    return request.param


@pytest.fixture(scope="module")
def model(settings):
    """A fresh model."""
    return create_model(settings, ELEMENTS, jax.random.key(3)).with_trainable(
        create_model(settings, ELEMENTS, jax.random.key(4)).parameters["trainable"],
        energy_offsets_eV=[-400.0, -13.0],
    )


@pytest.fixture
def path(tmp_path, model):
    """A file of the model."""
    save_model(tmp_path / "model.npz", model)
    return tmp_path / "model.npz"


def test_architecture_parameters_and_metadata_come_back(path, model, settings):
    found = load_model(path, settings, ELEMENTS)
    assert found.architecture == model.architecture
    assert found.settings == model.settings
    assert found.metadata["energy_offsets_eV"] == [-400.0, -13.0]
    jax.tree.map(np.testing.assert_array_equal, found.parameters, model.parameters)
    assert jax.tree.structure(found.parameters) == jax.tree.structure(model.parameters)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_both_precisions_come_back_to_the_bit(tmp_path, model, settings, dtype):
    save_model(tmp_path / "model.npz", model.cast(dtype))
    found = load_model(tmp_path / "model.npz", settings, ELEMENTS)
    jax.tree.map(np.testing.assert_array_equal, found.parameters, model.cast(dtype).parameters)
    assert {leaf.dtype for leaf in jax.tree.leaves(found.parameters)} == {np.dtype(dtype)}


def test_saving_again_gives_the_same_arrays(path, tmp_path, settings):
    save_model(tmp_path / "again.npz", load_model(path, settings, ELEMENTS))
    first, second = read_arrays(path, "model"), read_arrays(tmp_path / "again.npz", "model")
    assert first.metadata == second.metadata
    assert first.arrays.keys() == second.arrays.keys()
    for name, array in first.arrays.items():
        np.testing.assert_array_equal(second.arrays[name], array)


def test_names_in_the_file_are_readable(path):
    names = read_arrays(path, "model").arrays
    assert {
        "trainable/orbitals/centres",
        "trainable/layers/0/weights",
        "constants/feature_mean",
    } <= names.keys()


@pytest.mark.parametrize(
    ("key", "value"), [("cutoff", 4.5), ("radial_functions", 7), ("hidden_layers", [5, 5]), ("kind", "other")]
)
def test_another_architecture_is_refused_and_the_key_named(path, settings, key, value):
    message = f"another architecture: {key} is .* in the file and .*configuration.*train again"
    with pytest.raises(CampaignError, match=message):
        load_model(path, settings.model_copy(update={key: value}), ELEMENTS)


def test_other_elements_are_refused(path, settings):
    heavy = [ELEMENTS[0], ELEMENTS[1].model_copy(update={"mass": 2.014})]
    with pytest.raises(CampaignError, match="another architecture: elements is"):
        load_model(path, settings, heavy)


def test_other_files_are_refused(path, settings, tmp_path):
    with pytest.raises(CampaignError, match="absent.npz does not exist: expected a model file"):
        load_model(tmp_path / "absent.npz", settings, ELEMENTS)
    write_arrays(tmp_path / "ensemble.npz", "ensemble", ArrayFile({}))
    with pytest.raises(CampaignError, match="holds 'ensemble' where 'model' was expected"):
        load_model(tmp_path / "ensemble.npz", settings, ELEMENTS)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(CampaignError, match="truncated"):
        load_model(path, settings, ELEMENTS)


def test_the_vector_of_parameters_goes_back_to_their_tree(model):
    trainable = model.parameters["trainable"]
    vector, restore = flat_parameters(trainable)
    assert vector.shape == (sum(leaf.size for leaf in jax.tree.leaves(trainable)),)
    jax.tree.map(np.testing.assert_array_equal, restore(vector), trainable)


def test_a_model_is_converged_when_its_metadata_say_so(path, model, settings, tmp_path):
    assert not load_model(path, settings, ELEMENTS).converged
    save_model(tmp_path / "last.npz", model.with_trainable(model.parameters["trainable"], converged=True))
    assert load_model(tmp_path / "last.npz", settings, ELEMENTS).converged


def test_integers_among_the_constants_keep_their_type(model):
    numbers = {"index": jnp.arange(3, dtype=jnp.int32), "chosen": np.array([True, False])}
    constants = {**model.parameters["constants"], **numbers, "scale": np.float64(2.0)}
    model = replace(model, parameters={**model.parameters, "constants": constants})
    single = model.cast(jnp.float32)
    assert single.parameters["constants"]["index"].dtype == jnp.int32
    assert single.parameters["constants"]["chosen"].dtype == bool
    assert single.parameters["constants"]["scale"].dtype == single.dtype == jnp.float32
    assert single.cast(jnp.float64).dtype == jnp.float64
