// Walk through the latent space of a trained decoder and see what it draws.

function render({ model, el }) {
  const figure = frame({ model, el }, ["z"]);
  const dims = model.get("z").length;
  const description = model.get("decoder");
  const decode = decoder(description, fromHalf(model.get("weights")));
  const image = picture(description.shape);
  const extent = model.get("extent");
  const bytes = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const normal = () =>
    Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  const draw = button("draw from p(z)", () =>
    figure.set("z", figure.get("z").map(() => clamp(normal(), -extent, extent))));
  const centre = button("z = 0", () => figure.set("z", figure.get("z").map(() => 0)));
  const caption = h("p", { class: "vf-caption vf-number", "aria-live": "polite" });
  const shown = h("div", {}, image.canvas, caption);
  const buttons = h("div", { class: "vf-row", style: "gap:.5rem;margin-top:.7rem" },
    draw, centre);

  let map = null;
  if (dims === 2) {
    map = plane({
      extent,
      points: fromHalf(model.get("points")),
      labels: bytes(model.get("point_labels")),
      names: model.get("names"),
      label: "latent plane: arrow keys or dragging move z",
    });
    const go = (z) => figure.set("z", z.map((v) => clamp(v, -extent, extent)));
    pad(map.root, {
      at: (x, y) => go(map.invert(x, y)),
      step: (dx, dy) => {
        const z = figure.get("z");
        go([z[0] + 0.1 * dx, z[1] + 0.1 * dy]);
      },
    });
    el.append(h("div", { class: "vf-columns", style: "grid-template-columns:1.35fr 1fr" },
      map.root, h("div", {}, shown, buttons)));
  } else {
    const order = model.get("order").slice(0, model.get("sliders"));
    const sliders = order.map((k) =>
      slider(figure, {
        key: "z", index: k, min: -extent, max: extent, label: symbol(`z_${k + 1}`),
        name: `z ${k + 1}`, step: 0.02,
      }));
    el.append(h("div", { class: "vf-columns", style: "grid-template-columns:1fr 1.3fr" },
      h("div", {}, shown, buttons), h("div", { class: "vf-sliders" }, ...sliders)));
  }

  const paint = () => {
    const z = figure.get("z");
    const start = performance.now();
    image.show(decode(z));
    el.dataset.ms = performance.now() - start;
    const text = z.slice(0, 2).map((v) => fixed(v)).join(", ");
    if (map) {
      map.paint(z);
      caption.replaceChildren(symbol("z"), ` = (${text})`);
      image.canvas.setAttribute("aria-label", `the image decoded at z = (${text})`);
    } else {
      const length = Math.sqrt(z.reduce((sum, v) => sum + v * v, 0));
      const moved = z.filter((v) => v !== 0).length;
      caption.replaceChildren("‖", symbol("z"), `‖ = ${fixed(length)}, ${moved} of ` +
        `${dims} coordinates not zero`);
      image.canvas.setAttribute("aria-label",
        `the image decoded at a code of length ${fixed(length)}`);
    }
  };
  return figure.start(paint);
}

export default { render };
