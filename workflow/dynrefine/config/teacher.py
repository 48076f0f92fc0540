"""Settings of the teacher, a potential that plays the part of reality and makes synthetic targets."""

from pydantic import Field

from dynrefine.config.base import Section
from dynrefine.config.data import DatasetSettings
from dynrefine.config.surfaces import PotentialSettings
from dynrefine.config.surfaces.training import PotentialTrainingSettings


class TeacherSettings(Section):
    potential: PotentialSettings | None = Field(
        None,
        description="The teacher's potential; null: one of the same kind as the student's, trained on other frames.",
        examples=[None],
    )
    training: PotentialTrainingSettings | None = Field(
        None, description="Training of the teacher; null: as the student's.", examples=[None]
    )
    dataset: DatasetSettings | None = Field(
        None,
        description="Ab initio frames the teacher is trained on; null: those of the campaign.",
        examples=[None],
    )
