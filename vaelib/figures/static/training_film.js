// The latent plane and the decoded plane while a model trains, frame by frame.

const MILLISECONDS = 1100; // from one frame to the next while playing

function render({ model, el }) {
  const figure = frame({ model, el }, ["frame"]);
  const whole = (key) => {
    const view = model.get(key);
    return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  };
  const moments = model.get("moments");
  const labels = whole("point_labels");
  const all = fromHalf(model.get("points"));
  const n = labels.length;
  const points = moments.map((_, k) => all.subarray(2 * n * k, 2 * n * (k + 1)));
  const shape = model.get("shape");
  const pictures = whole("pictures");
  const size = shape.reduce((a, b) => a * b);
  const last = moments.length - 1;

  const map = plane({
    extent: model.get("extent"),
    points: points[0],
    labels,
    names: model.get("names"),
    label: "codes of test images on the latent plane",
    still: true,
  });
  const decoded = picture(shape);
  const chart = svg("svg", { role: "img" });
  const play = button("play", () => (running ? stop() : start()));
  play.style.minWidth = "4.6rem";
  el.append(
    h("div", { class: "vf-columns" },
      h("div", {}, map.root, h("p", { class: "vf-caption" }, "test images, encoded")),
      h("div", {}, decoded.canvas, h("p", { class: "vf-caption" }, "the plane, decoded"))),
    chart,
    h("div", { style: "display:grid;grid-template-columns:auto 1fr;gap:1rem;align-items:center;margin-top:.4rem" },
      play,
      slider(figure, {
        key: "frame", label: "epochs", name: "moment of training", min: 0, max: last,
        step: 1, show: (k) => fixed(moments[k].epoch),
      })),
  );

  // Points glide from frame to frame; `position` is where the film is, in frames.
  let position = figure.get("frame");
  let running = false;
  let request = 0;
  let before = 0;
  const stop = () => {
    running = false;
    cancelAnimationFrame(request);
    play.textContent = "play";
  };
  const start = () => {
    if (figure.get("frame") >= last) figure.set("frame", 0);
    position = figure.get("frame");
    running = true;
    play.textContent = "pause";
    before = performance.now();
    if (stillness()) before -= MILLISECONDS;
    request = requestAnimationFrame(tick);
  };
  function tick(now) {
    if (!running) return;
    if (figure.get("frame") !== Math.floor(position)) return stop(); // by the reader
    if (stillness()) {
      // Without motion a step is a step: whole frames, slowly.
      if (now - before > MILLISECONDS) {
        before = now;
        position = Math.min(last, Math.floor(position) + 1);
      }
    } else {
      // The first tick may carry a time from before the click.
      position = Math.min(last, position + Math.max(0, now - before) / MILLISECONDS);
      before = now;
    }
    if (Math.floor(position) !== figure.get("frame")) {
      figure.set("frame", Math.floor(position));
    }
    paint();
    if (position >= last) return stop();
    request = requestAnimationFrame(tick);
  }
  figure.cleanups.push(stop);

  const between = new Float32Array(2 * n);
  const ease = (u) => u * u * (3 - 2 * u);
  function paint() {
    const k = figure.get("frame");
    if (!running || Math.floor(position) !== k) position = k;
    const [a, b] = [points[k], points[Math.min(k + 1, last)]];
    const u = ease(position - k);
    for (let i = 0; i < between.length; i++) between[i] = (1 - u) * a[i] + u * b[i];
    map.place(between);
    map.paint(null);
    decoded.show(Float32Array.from(
      pictures.subarray(k * size, (k + 1) * size), (v) => v / 255));
    const words = `after ${fixed(moments[k].epoch)} epochs, ELBO ${fixed(moments[k].elbo, 1)}`;
    map.root.setAttribute("aria-label", `codes of test images, ${words}`);
    decoded.canvas.setAttribute("aria-label", `the decoded plane, ${words}`);
    paintChart(k);
  }

  function paintChart(k) {
    const [width, height] = [el.clientWidth, 92];
    set(chart, { width, height, viewBox: `0 0 ${width} ${height}` });
    const values = moments.map((m) => m.elbo);
    // An untrained model's bound would flatten the rest.
    const floor = Math.max(Math.min(...values), Math.max(...values) - 120);
    const x = scale([0, last], [10, width - 10]);
    const y = scale([floor, Math.max(...values)], [height - 10, 26]);
    const xs = moments.map((_, i) => x(i));
    const ys = values.map((v) => y(Math.max(v, floor)));
    chart.replaceChildren(
      svg("path", { d: line(xs, ys), fill: "none", stroke: "var(--vf-0)", "stroke-width": 2 }),
      svg("circle", { cx: xs[k], cy: ys[k], r: 5, fill: "var(--vf-0)" }),
      svg("text", { x: 2, y: 14 }, `ELBO of ${n} test images`),
      svg("text", { x: width - 2, y: 14, "text-anchor": "end" },
        `${fixed(values[k], 1)} nats`),
    );
    chart.setAttribute("aria-label", `The ELBO over training, now ${fixed(values[k], 1)}.`);
  }

  return figure.start(paint);
}

export default { render };
