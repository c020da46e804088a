// Questions with a choice of answers. Moving between choices, with Tab or the arrow
// keys, chooses nothing: to go past an answer should not count as a try.

const TAGS = ["i", "sub", "sup", "code"];

// Text from Python: strings, and [tag, parts] for the few tags that it may hold.
export const nodes = (parts) =>
  parts.map((part) =>
    typeof part === "string" ? part
      : TAGS.includes(part[0]) ? h(part[0], {}, ...nodes(part[1]))
        : h("span", {}, ...nodes(part[1])));

// Which choice is right, and the sentences.
const unpack = (key) =>
  JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(key), (c) => c.charCodeAt(0))))
    .map(([right, why]) => ({ right, why }));

const SHAPES = { right: "M4.6 9.4l3 3 5.8-6.4", wrong: "M5.6 5.6l6.8 6.8m0-6.8l-6.8 6.8" };
const WORDS = { right: "Right.", wrong: "Not this one." };

const verdict = ({ right, why }) => [
  h("b", { class: right ? "vf-right" : "vf-wrong" }, WORDS[right ? "right" : "wrong"]),
  " ", ...nodes(why),
];

function question(figure, i, { text, choices, key }) {
  const answers = unpack(key);
  const group = `vf-${Math.random().toString(36).slice(2)}`;
  const tries = () => figure.get("chosen")[i] ?? [];
  const choose = (k) => {
    if (tries().at(-1) === k) return;
    figure.set("chosen", figure.get("chosen").map((t, j) => (j === i ? [...t, k] : t)));
  };
  const inputs = choices.map((_, k) =>
    h("input", {
      ...OWN_KEYS,
      type: "radio",
      name: group,
      autocomplete: "off",
      onchange: () => choose(k),
      onkeydown: (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
        if (step) inputs[(k + step + inputs.length) % inputs.length].focus();
        else if (event.key === "Enter") choose(k);
        else return;
        event.preventDefault();
        event.stopPropagation();
      },
    }));
  const marks = choices.map(() => ({
    shape: svg("path"),
    word: h("span", { class: "vf-unseen" }),
  }));
  const rows = choices.map((choice, k) =>
    h("label", { class: "vf-answer" },
      inputs[k],
      svg("svg", { class: "vf-mark", viewBox: "0 0 18 18", "aria-hidden": "true" },
        svg("circle", { cx: 9, cy: 9, r: 8 }), marks[k].shape),
      h("span", {}, ...nodes(choice), marks[k].word)));
  const said = h("p", { class: "vf-said", "aria-live": "polite" });
  // All sentences lie on each other, unseen: the longest keeps the room for any of
  // them, and nothing on the page moves when one appears.
  const room = answers.map((answer) =>
    h("p", { class: "vf-said vf-room", "aria-hidden": "true" }, ...verdict(answer)));
  let shown = null;
  const update = () => {
    const made = tries();
    const now = made.at(-1) ?? null;
    rows.forEach((row, k) => {
      const kind = !made.includes(k) ? "" : answers[k].right ? "right" : "wrong";
      row.className = `vf-answer ${kind && `vf-${kind}`}`;
      inputs[k].checked = k === now;
      marks[k].shape.setAttribute("d", SHAPES[kind] ?? "");
      marks[k].word.textContent = kind && ` (${kind})`;
    });
    if (now !== shown) said.replaceChildren(...(now === null ? [] : verdict(answers[now])));
    shown = now;
  };
  const element = h("fieldset", { class: "vf-question" },
    h("legend", {}, h("span", { class: "vf-count" }, `${i + 1}`), h("span", {}, ...nodes(text))),
    ...rows,
    h("div", { class: "vf-sentences" }, ...room, said));
  return {
    element,
    update,
    right: () => tries().length > 0 && answers[tries()[0]].right,
    begin: () => {
      inputs[0].focus({ preventScroll: true });
      element.scrollIntoView({ block: "nearest" });
    },
  };
}

function render({ model, el }) {
  const figure = frame({ model, el }, []);
  el.classList.add("vf-quiz");
  const questions = model.get("questions").map((one, i) => question(figure, i, one));
  const n = questions.length;
  const so_far = h("span", {});
  const result = h("span", { "aria-live": "polite" });
  const again = button("start over", () => {
    figure.set("chosen", questions.map(() => []));
    questions[0].begin();
  });
  const update = () => {
    questions.forEach((one) => one.update());
    const answered = model.get("chosen").filter((tries) => tries.length).length;
    const right = questions.filter((one) => one.right()).length;
    const done = answered === n;
    so_far.textContent = done ? "" : `${answered} of ${n} answered`;
    // Said once, when it is new.
    const text = done ? `${right} of ${n} right at the first try` : "";
    if (result.textContent !== text) result.textContent = text;
    again.disabled = answered === 0;
  };
  model.on("change:chosen", update);
  figure.cleanups.push(() => model.off("change:chosen", update));
  el.append(...questions.map((one) => one.element),
    h("div", { class: "vf-row vf-score" },
      h("p", { class: "vf-quiet vf-number" }, so_far, result), again));
  update();
  return figure.start(() => {});
}

export default { render };
