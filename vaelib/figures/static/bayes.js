// Bayes' rule for two hypotheses, as areas of a unit square, one observation at a time.

export const logit = (p) => Math.log(p / (1 - p));

// P(first hypothesis | observation), when the observation has these two probabilities.
export function posterior(prior, [first, second]) {
  const joint = [prior * first, (1 - prior) * second];
  return joint[0] / (joint[0] + joint[1]);
}

// What each observation (1: the sign is seen, 0: it is not) adds to the log odds.
export const weights = ([first, second], observations) =>
  observations.map((seen) =>
    seen ? Math.log(first / second) : Math.log((1 - first) / (1 - second)),
  );

// The belief in the first hypothesis before and after each observation.
export function beliefs(prior, likelihoods, observations) {
  const odds = [logit(prior)];
  for (const w of weights(likelihoods, observations)) odds.push(odds.at(-1) + w);
  return odds.map(sigmoid);
}

const LEVELS = [0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999];

function render({ model, el }) {
  const figure = frame({ model, el }, ["prior", "likelihoods", "observations"]);
  const [first, second] = model.get("hypotheses");
  const [seen, unseen] = model.get("evidence");
  const orange = "var(--vf-1)";
  const grey = "var(--vf-5)";

  const square = svg("svg", { role: "img" });
  const trace = svg("svg", { role: "img" });
  const sum = h("p", { class: "vf-caption vf-number", "aria-live": "polite" });
  const add = (value) => () =>
    figure.set("observations", [...figure.get("observations"), value]);
  const again = button("start again", () => figure.set("observations", []));
  const more = [button(`+ ${seen}`, add(1)), button(`+ ${unseen}`, add(0))];
  more[0].style.setProperty("--vf-accent", orange);
  const row = h("div", { class: "vf-row", style: "gap:.5rem" }, ...more, again);
  row.style.margin = "0.6rem 0 0.4rem";
  const right = h("div", {}, trace, sum, row);
  el.append(h("div", { class: "vf-columns vf-stack" }, h("div", {}, square), right));
  right.append(
    h(
      "div",
      { class: "vf-sliders" },
      slider(figure, {
        key: "prior",
        label: `P(${first})`,
        name: `prior probability of ${first}`,
        min: 0.01,
        max: 0.99,
      }),
      slider(figure, {
        key: "likelihoods",
        index: 0,
        label: `P(${seen} | ${first})`,
        name: `probability of ${seen} if ${first}`,
        min: 0.01,
        max: 0.99,
        colour: orange,
      }),
      slider(figure, {
        key: "likelihoods",
        index: 1,
        label: `P(${seen} | ${second})`,
        name: `probability of ${seen} if ${second}`,
        min: 0.01,
        max: 0.99,
        colour: orange,
      }),
    ),
  );

  const rect = (colour, opacity) =>
    svg("rect", { fill: colour, "fill-opacity": opacity, class: "vf-eased" });
  const areas = [
    [rect(orange, 0.85), rect(grey, 0.22)],
    [rect(orange, 0.45), rect(grey, 0.1)],
  ];
  const numbers = areas.map(() => [0, 1].map(() => svg("text", { "text-anchor": "middle" })));
  const tops = [svg("text"), svg("text", { "text-anchor": "end" })];
  const split = svg("line", { stroke: "var(--vf-paper)", "stroke-width": 2 });
  const bars = [
    [rect(orange, 0.85), rect(orange, 0.45)],
    [rect(grey, 0.5), rect(grey, 0.22)],
  ];
  const after = [seen, unseen].map((sign) => [
    svg("text", {}, `after ${sign}`),
    svg("text", { "text-anchor": "end" }),
  ]);
  square.append(
    ...areas.flat(),
    split,
    ...numbers.flat(),
    ...tops,
    ...bars.flat(),
    ...after.flat(),
  );

  function paintSquare(width, p, likelihoods) {
    const side = Math.min(width, 300);
    const top = 22;
    const total = top + side + 108;
    set(square, { width, height: total, viewBox: `0 0 ${width} ${total}` });
    const parts = [p, 1 - p];
    [0, 1].forEach((i) => {
      const x = i ? side * p : 0;
      const wide = side * parts[i];
      const high = side * likelihoods[i];
      set(areas[i][0], { x, y: top + side - high, width: wide, height: high });
      set(areas[i][1], { x, y: top, width: wide, height: side - high });
      [high, side - high].forEach((size, j) => {
        const joint = parts[i] * (j ? 1 - likelihoods[i] : likelihoods[i]);
        const y = j ? top + size / 2 : top + side - size / 2;
        set(numbers[i][j], { x: x + wide / 2, y: y + 5 });
        numbers[i][j].textContent = wide > 34 && size > 16 ? fixed(joint) : "";
      });
    });
    set(split, { x1: side * p, x2: side * p, y1: top, y2: top + side });
    set(tops[0], { x: 0, y: 14 });
    tops[0].textContent = `${first} ${fixed(p)}`;
    set(tops[1], { x: side, y: 14 });
    tops[1].textContent = `${second} ${fixed(1 - p)}`;
    const results = [posterior(p, likelihoods), posterior(p, likelihoods.map((l) => 1 - l))];
    results.forEach((result, i) => {
      const y = top + side + 32 + 44 * i;
      set(bars[i][0], { x: 0, y, width: side * result, height: 14 });
      set(bars[i][1], { x: side * result, y, width: side * (1 - result), height: 14 });
      set(after[i][0], { x: 0, y: y - 6 });
      set(after[i][1], { x: side, y: y - 6 });
      after[i][1].textContent = `${first} ${fixed(result, 3)}`;
    });
    square.setAttribute(
      "aria-label",
      `Unit square of joint probabilities. ${first}: ${fixed(p)}. After ${seen}, ` +
        `${first} has probability ${fixed(results[0], 3)}; after ${unseen}, ` +
        `${fixed(results[1], 3)}.`,
    );
    return results;
  }

  function paintTrace(width, path, observations) {
    const height = 224;
    const left = 48;
    const odds = path.map(logit);
    const reach = Math.max(4.8, ...odds.map((o) => 1.1 * Math.abs(o)));
    const n = Math.max(6, observations.length);
    const x = scale([0, n], [left + 12, width - 12]);
    const y = scale([-reach, reach], [height - 24, 24]);
    set(trace, { width, height, viewBox: `0 0 ${width} ${height}` });
    const drawn = [svg("text", { y: 13 }, `belief in “${first}”, observation by observation`)];
    for (const level of LEVELS.filter((p) => Math.abs(logit(p)) <= reach)) {
      const at = y(logit(level));
      drawn.push(
        svg("g", { class: "vf-axis" },
          svg("line", {
            x1: left, x2: width, y1: at, y2: at,
            "stroke-dasharray": level === 0.5 ? null : "2 4",
          }),
          svg("text", { x: left - 8, y: at + 4.5, "text-anchor": "end" }, `${+level}`),
        ),
      );
    }
    const xs = odds.map((_, i) => x(i));
    const ys = odds.map(y);
    drawn.push(
      svg("path", { d: line(xs, ys), fill: "none", stroke: "var(--vf-ink)", "stroke-width": 1.5 }),
    );
    odds.forEach((_, i) => {
      const colour = i === 0 ? "var(--vf-ink)" : observations[i - 1] ? orange : grey;
      drawn.push(
        svg("circle", {
          cx: xs[i], cy: ys[i], r: 5.5,
          fill: i && !observations[i - 1] ? "var(--vf-paper)" : colour,
          stroke: colour, "stroke-width": 2,
        }),
      );
    });
    drawn.push(
      svg("text", { x: xs.at(-1), y: ys.at(-1) + (odds.at(-1) > 0 ? -12 : 22),
        "text-anchor": xs.at(-1) > width - 50 ? "end" : "middle", "font-weight": 600 }, fixed(path.at(-1), 3)),
      svg("text", { x: width - 2, y: height - 6, "text-anchor": "end", class: "vf-quiet" },
        "evenly spaced in log odds"),
    );
    trace.replaceChildren(...drawn);
    trace.setAttribute(
      "aria-label",
      `Belief in ${first} after each observation: ${path.map((p) => fixed(p, 3)).join(", ")}.`,
    );
  }

  return figure.start(() => {
    const prior = figure.get("prior");
    const likelihoods = figure.get("likelihoods");
    const observations = figure.get("observations");
    const path = beliefs(prior, likelihoods, observations);
    paintSquare(square.parentElement.clientWidth, path.at(-1), likelihoods);
    paintTrace(right.clientWidth, path, observations);
    const terms = weights(likelihoods, observations);
    const added = terms.map((w) => ` ${w < 0 ? "−" : "+"} ${fixed(Math.abs(w))}`).join("");
    sum.textContent = terms.length
      ? `log odds: ${fixed(logit(prior))}${added} = ${fixed(logit(path.at(-1)))} nats`
      : `log odds: ${fixed(logit(prior))} nats. Nothing seen yet.`;
    again.disabled = !terms.length;
    more.forEach((b) => (b.disabled = terms.length >= 12));
  });
}

export default { render };
