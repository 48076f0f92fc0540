"""The chapter on quantum nuclei with the refined potential."""

from collections.abc import Iterable, Iterator

from dynrefine.files.curves import Curve
from dynrefine.report import tables
from dynrefine.report.blocks import Chapter, Picture, picture
from dynrefine.report.comparison import changes
from dynrefine.report.figures import spectrum_figure
from dynrefine.report.formatting import in_words
from dynrefine.report.results import QuantumNuclei, Results

NUCLEI = ("classical nuclei", "quantum nuclei")


def quantum_chapter(results: Results) -> Chapter:
    """Structure and energies from path integrals beside those of the validation and the measured ones."""
    settings, quantum = results.campaign.validation.path_integrals, results.quantum
    if settings is None or quantum is None:
        return Chapter("quantum-nuclei", "Quantum nuclei", "", [])
    text = (
        f"Path integrals by i-PI with the refined potential: {settings.beads} beads ({settings.thermostat}), "
        f"{settings.runs} runs of {settings.length:g} ps at each state, beside the classical nuclei of the "
        "validation. The differences are what a potential refined with classical nuclei has to make up for. The "
        "comparison covers energies, and properties that depend on positions alone."
    )
    compared = changes(results.properties["refined"], quantum.properties, results.state_names)
    blocks = [
        tables.properties_table(compared, NUCLEI),
        tables.energies_table(quantum.energies, results.state_names),
        *_pictures(results, quantum),
    ]
    return Chapter("quantum-nuclei", "Quantum nuclei", text, blocks)


def beside_classical(classical: Iterable[Curve], quantum: Iterable[Curve]) -> Iterator[dict[str, Curve]]:
    """Each curve of more than one value that both have, by the names of `NUCLEI`."""
    known = {(curve.name, curve.state): curve for curve in classical}
    for curve in quantum:
        beside = known.get((curve.name, curve.state))
        if beside is not None and len(curve.columns["abscissa"]) > 1:
            yield dict(zip(NUCLEI, (beside, curve), strict=True))


def _pictures(results: Results, quantum: QuantumNuclei) -> list[Picture]:
    """Each curve with classical and with quantum nuclei."""
    pictures = []
    for both in beside_classical(results.curves["refined"], quantum.curves):
        curve = both[NUCLEI[0]]
        caption = (
            f"{in_words(curve.name)}, {results.state_names[curve.state]}: with classical and with quantum nuclei. "
            "Bands show one standard error on either side."
        )
        figure = spectrum_figure(both, results.drawn_ranges(curve.name))
        pictures.append(picture(figure, caption))
    return pictures
