"""What the operators were meant to reach, and what a run says of it.

Times are the least of the interleaved rounds.
"""

BAR_COLUMNS = ("figure", "bar", "reached", "met")
OURS, BASE = "ours", "scikit-image"


def best(times: dict, name: str, operation: str) -> float | None:
    """Least seconds of a call, or None if there was none."""
    seconds = [a["seconds"] for a in times.get((name, operation), []) if "seconds" in a]
    return min(seconds, default=None)


def bars(times: dict, checks: dict) -> list[list[str]]:
    """Rows of the table of bars: figure, bar, what was reached, whether it is met."""
    ours, base = checks.get(OURS, {}), checks.get(BASE, {})
    batch, single = "degrade63_batch8", "degrade63"
    rows = [
        _faster(times, "degrade, batch 8, per image", batch, (BASE,), 50),
        _faster(times, "degrade, batch 8, per image", batch, peers(times), 6),
        _faster(times, "degrade, single image", single, (BASE,), 10),
        _faster(times, "radon, 1000 angles, single", "radon1000", (BASE,), 30),
        _faster(times, "radon, 1000 angles, single", "radon1000", ("astra",), 6),
        _faster(times, "fbp, 1000 angles, single", "fbp1000", (BASE,), 15),
        _gradient(times),
    ]
    for column, limit in ("point", 0.65), ("bin", 0.30):
        value = 100 * ours[column] if column in ours else None
        title = f"sinogram against the analytic ellipses, 63 angles, {column}"
        met = value is not None and value <= limit
        rows.append(_row(title, f"<= {limit:.2f} %", value, "{:.3f} %", met))
    for column in "fbp1000", "fbp63":
        value, limit = ours.get(column), base.get(column)
        met = None not in (value, limit) and value >= limit
        bar = f">= scikit-image ({limit:.2f} dB)" if limit else ">= scikit-image"
        title = f"FBP of the phantom, {column.removeprefix('fbp')} views"
        rows.append(_row(title, bar, value, "{:.2f} dB", met))
    same = checks.get("ours-uniform", {})
    worst, mean = same.get("slices_worst"), same.get("slices_mean", 0.0)
    title = f"degraded real slices ({same.get('slices', 0)}) against scikit-image, "
    title += "with its weights of the views"
    shown = f"{{:.1f}} dB worst, {mean:.1f} dB mean"
    rows.append(_row(title, ">= 40 dB", worst, shown, (worst or 0) >= 40))
    title = "TPU v5e, one core, degrade 63 angles, batch 8, estimated cycles"
    rows.append([title, "<= 2.0 M", "by another command, see README", "-"])
    return rows


def peers(times: dict) -> tuple[str, ...]:
    """Names of the implementations that are not ours."""
    return tuple(dict.fromkeys(n for n, _ in times if not n.startswith(OURS)))


def _faster(
    times: dict, title: str, operation: str, others: tuple[str, ...], limit: float
) -> list[str]:
    """How much faster than the fastest of the others."""
    seconds = {name: best(times, name, operation) for name in others}
    seconds = {name: value for name, value in seconds.items() if value}
    fastest = min(seconds, key=seconds.get, default=None)
    ours = best(times, OURS, operation)
    ratio = seconds[fastest] / ours if ours and fastest else None
    whom = others[0] if len(others) == 1 else f"the best peer ({fastest or '-'})"
    met = ratio is not None and ratio >= limit
    return _row(title, f">= {limit:g}x {whom}", ratio, "{:.1f}x", met)


def _gradient(times: dict) -> list[str]:
    forward = best(times, OURS, "radon63")
    gradient = best(times, OURS, "gradient63")
    ratio = gradient / forward if gradient and forward else None
    met = ratio is not None and ratio <= 2.3
    return _row("gradient / forward", "<= 2.3", ratio, "{:.2f}", met)


def _row(title: str, bar: str, value: float | None, shown: str, met: bool) -> list[str]:
    if value is None:
        return [title, bar, "not measured", "-"]
    return [title, bar, shown.format(value), "met" if met else "NOT met"]
