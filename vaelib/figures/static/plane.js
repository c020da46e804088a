// The latent plane as a pad: encoded images as coloured points, class names, a marker.

// points: Float32Array of pairs; labels: one class number a point; names: of classes.
// `place(points)` moves the points; `paint(z)` draws, with the marker at z (or null).
// A plane that is `still` is a picture; otherwise the reader moves the marker.
export function plane({ extent, points, labels, names, label, still = false }) {
  const canvas = h("canvas", {
    "aria-hidden": "true",
    style: "position:absolute;inset:0;width:100%;height:100%",
  });
  const over = svg("svg", {
    viewBox: "-100 -100 200 200",
    style: "position:absolute;inset:0;width:100%;height:100%",
    "aria-hidden": "true",
  });
  const moved = {
    role: "slider",
    "aria-roledescription": "two-dimensional pad",
    "aria-valuemin": -extent,
    "aria-valuemax": extent,
  };
  const root = h("div", {
    ...(still ? { role: "img" } : moved),
    "aria-label": label,
    style: "position:relative;aspect-ratio:1;border:1px solid var(--vf-line);border-radius:3px;overflow:hidden",
  }, canvas, over);
  const at = (value) => (100 * value) / extent;

  const members = names.map((_, k) =>
    Array.from(labels.keys()).filter((i) => labels[i] === k));
  const ink = (k) => `color-mix(in srgb, ${CLASSES[k % 10]} 70%, var(--vf-ink))`;
  const numerals = names.map((name, k) =>
    svg("text", {
      "text-anchor": "middle", "dominant-baseline": "central", "font-weight": 700,
      style: `fill:${ink(k)};stroke:var(--vf-paper);stroke-width:.25em;` +
        "paint-order:stroke;stroke-linejoin:round",
    }, members[k].length && names.length > 1 ? name : ""),
  );
  const median = (k, axis) => {
    const values = members[k].map((i) => points[2 * i + axis]).sort((a, b) => a - b);
    return values.length ? values[values.length >> 1] : 0;
  };
  // The name of a class stands at the median of its points.
  const settle = () => numerals.forEach((text, k) =>
    set(text, { x: at(median(k, 0)), y: -at(median(k, 1)) }));
  settle();
  const layer = svg("g");
  const marker = svg("g", {},
    svg("circle", { fill: "none", stroke: "var(--vf-paper)", class: "halo" }),
    svg("circle", { fill: "none", stroke: "var(--vf-ink)", class: "ring" }),
  );
  over.append(
    svg("path", {
      d: "M-100 0H100M0 -100V100", stroke: "var(--vf-line)",
      "vector-effect": "non-scaling-stroke",
    }),
    ...numerals,
    layer,
    marker,
  );

  let drawn = 0;
  function place(moved) {
    points = moved;
    drawn = 0;
    settle();
  }
  function paint(z) {
    const side = root.clientWidth;
    const unit = 200 / side; // one CSS pixel in the units of the drawing
    const size = Math.round(side * (window.devicePixelRatio || 1));
    if (size !== drawn) {
      drawn = size;
      canvas.width = canvas.height = size;
      const context = canvas.getContext("2d");
      const dot = Math.max(1, (1.5 * size) / side);
      context.globalAlpha = 0.5;
      members.forEach((indices, k) => {
        context.fillStyle = CLASSES[k % 10];
        for (const i of indices) {
          const x = ((points[2 * i] / extent + 1) * size) / 2;
          const y = ((1 - points[2 * i + 1] / extent) * size) / 2;
          context.beginPath();
          context.arc(x, y, dot, 0, 2 * Math.PI);
          context.fill();
        }
      });
      numerals.forEach((text) => text.setAttribute("font-size", 17 * unit));
      marker.querySelectorAll("circle").forEach((c, i) =>
        set(c, { r: 8 * unit, "stroke-width": (i ? 2.5 : 5) * unit }));
    }
    if (!z) return marker.setAttribute("visibility", "hidden");
    marker.setAttribute("visibility", "visible");
    marker.setAttribute("transform", `translate(${at(z[0])} ${-at(z[1])})`);
    if (still) return;
    set(root, {
      "aria-valuenow": z[0].toFixed(2),
      "aria-valuetext": `z1 ${fixed(z[0])}, z2 ${fixed(z[1])}`,
    });
  }
  return {
    root,
    layer,
    place,
    paint,
    unit: () => 200 / root.clientWidth,
    at,
    invert: (x, y) => [extent * (2 * x - 1), extent * (1 - 2 * y)],
  };
}
