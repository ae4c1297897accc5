# SPDX-License-Identifier: BSD-3-Clause
"""Draws the demo's field while its simulation runs. It is a rank of the same job, beside the demo's own.

    mpiexec -n 3 gray_scott --watchers 1 : -n 1 python3 watch.py [PICTURE]

Each slab of the field is an event; a field is drawn when all of its slabs have come. The picture shows the
newest field, and is written anew for each; at the end it shows four fields. It needs numpy and matplotlib.
"""
import sys

import matplotlib
import mofka
import numpy
from PIL import Image  # matplotlib brings it

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402 (after the choice of what draws)


def fields(consumer):
    """(step, field) of each whole field."""
    parts = {}
    for event in consumer:
        slab = event.metadata
        rows = parts.setdefault(slab["step"], {})
        rows[slab["row0"]] = event.array
        event.acknowledge()
        if sum(len(part) for part in rows.values()) == slab["n"]:
            del parts[slab["step"]]
            yield slab["step"], numpy.concatenate([rows[row] for row in sorted(rows)])


def draw(chosen, path):
    """Draw fields side by side."""
    figure, panels = pyplot.subplots(1, len(chosen), figsize=(2 * len(chosen), 2.35), dpi=72, squeeze=False)
    for panel, (step, field) in zip(panels[0], chosen):
        panel.imshow(field, cmap="viridis", vmin=0, vmax=0.4, interpolation="nearest")
        panel.set_title("step %d" % step, fontsize=9)
        panel.set_axis_off()
    figure.tight_layout(pad=0.4)
    figure.canvas.draw()
    image = Image.fromarray(numpy.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    image.quantize(32).save(path, optimize=True)  # few colours, for a small file
    pyplot.close(figure)


def main(path="watch.png"):
    """Watch until the simulation has ended."""
    seen = []
    with mofka.Driver(options={"join": True}) as driver:
        with driver.open_topic("gray-scott", 60000).consumer("watch") as consumer:
            for step, field in fields(consumer):
                seen.append((step, field.astype("f4")))
                draw(seen[-1:], path)
    last = len(seen) - 1
    draw([seen[round(last * part)] for part in (0.04, 0.12, 0.3, 1)], path)
    print("watched %d fields of %s, drew %s" % (len(seen), "x".join(map(str, seen[-1][1].shape)), path))


if __name__ == "__main__":
    main(*sys.argv[1:])
