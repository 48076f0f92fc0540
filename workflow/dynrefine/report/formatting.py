"""How numbers are written in tables and sentences."""

import math
from decimal import Decimal

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
NONE = "–"


def number(value: float, digits: int = 3) -> str:
    """A number to this many significant digits, with a power of ten where it is very large or small."""
    if not math.isfinite(value):
        return NONE
    if value == 0.0:
        return "0"
    exponent = _exponent(float(f"{value:.{digits - 1}e}"))
    if -4 < exponent < 5:
        return _signed(f"{round(value, digits - 1 - exponent):.{max(digits - 1 - exponent, 0)}f}")
    return f"{_signed(f'{value / 10.0**exponent:.{digits - 1}f}')}\u00a0×\u00a0{_power_of_ten(exponent)}"


def value_with_error(value: float, error: float) -> str:
    """A value with the standard error of its last digits: 2.31(12).

    An error that begins with 1 is given to two digits, any other to one. A value without an error has three digits.
    """
    if not math.isfinite(value):
        return NONE
    if not math.isfinite(error) or error <= 0.0:
        return number(value)
    size = _exponent(max(abs(value), error))
    if not -4 < size < 5:
        return f"{value_with_error(value / 10.0**size, error / 10.0**size)}\u00a0×\u00a0{_power_of_ten(size)}"
    decimals = _decimals(error)
    rounded = f"{round(value, decimals):.{max(decimals, 0)}f}"
    last_digits = round(error, decimals) * 10.0 ** max(decimals, 0)
    return f"{_signed(rounded)}({last_digits:.0f})"


def measured_beside(measured: float, error: float, simulated_error: float) -> str:
    """A measured value with its error; without one, to the last digit of the simulated value, or three digits."""
    if not math.isfinite(measured) or measured == 0.0 or error > 0.0 or not 0.0 < simulated_error < math.inf:
        return value_with_error(measured, error)
    return number(measured, max(3, _exponent(measured) + 1 + _decimals(simulated_error)))


def percent(before: float, after: float) -> str:
    """The change from one value to another: "+3.1 %"."""
    if not (math.isfinite(before) and math.isfinite(after)) or before == 0.0:
        return NONE
    return f"{_signed(f'{100.0 * (after / before - 1.0):+.1f}')}\u00a0%"


def duration(seconds: float) -> str:
    """A time in seconds, minutes or hours, whichever suits it."""
    if not math.isfinite(seconds):
        return NONE
    if seconds < 120.0:
        return f"{seconds:.1f} s"
    if seconds < 7200.0:
        return f"{seconds / 60.0:.1f} min"
    return f"{seconds / 3600.0:.1f} h"


def with_unit(text: str, unit: str) -> str:
    """A number with its unit; "1" is the unit of pure numbers."""
    return text if unit in ("", "1") else f"{text} {unit_name(unit)}"


def unit_name(unit: str) -> str:
    """A unit as people read it: "1e-9 m²/s" becomes "10⁻⁹ m²/s"."""
    return "" if unit == "1" else unit.replace("1e-9", "10⁻⁹")


def in_words(name: str) -> str:
    """The name of a property as a heading: "Structure factor"."""
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def _exponent(value: float) -> int:
    return math.floor(math.log10(abs(value)))


def _decimals(error: float) -> int:
    """Decimals of a value with this error, of which two digits count if it begins with 1, else one."""
    _, (leading, _), exponent = Decimal(f"{error:.1e}").as_tuple()
    return -int(exponent) - (0 if leading == 1 else 1)


def _power_of_ten(exponent: int) -> str:
    return f"10{str(exponent).translate(_SUPERSCRIPTS)}"


def _signed(text: str) -> str:
    """With a minus sign in place of a hyphen."""
    return text.replace("-", "−")
