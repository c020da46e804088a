// Starts the live figures of a page that has no kernel. A classic script, so that it
// also runs from file://. Each figure gets the part of a widget's model that the
// modules use: get, set, on, off and save_changes.
(() => {
  const page = (window.vaelibLive ??= {});
  page.blobs ??= {};
  if (page.mountAll) return page.mountAll();

  const loading = {};
  const blob = async (name) => {
    if (name in page.blobs) return page.blobs[name];
    const inline = document.querySelector(`script[data-live-blob="${name}"]`);
    if (!inline.dataset.src) return (page.blobs[name] = JSON.parse(inline.textContent));
    await (loading[name] ??= new Promise((done, failed) => {
      const script = document.createElement("script");
      script.src = inline.dataset.src;
      script.onload = done;
      script.onerror = () => failed(new Error(`${inline.dataset.src} is missing`));
      document.head.append(script);
    }));
    return page.blobs[name];
  };

  const modules = {};
  const load = (names) =>
    (modules[names] ??= Promise.all(names.map(blob)).then((texts) =>
      import("data:text/javascript;charset=utf-8," + encodeURIComponent(texts.join("\n"))),
    ));

  const styles = {};
  const style = (name) =>
    (styles[name] ??= blob(name).then((text) => {
      const element = document.createElement("style");
      element.textContent = text;
      document.head.append(element);
    }));

  const view = (base64) => {
    const text = atob(base64);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return new DataView(bytes.buffer);
  };

  const modelOf = (state) => {
    const listeners = {};
    const call = (event) => [...(listeners[event] ?? [])].forEach((f) => f());
    return {
      get: (key) => state[key],
      set: (key, value) => {
        state[key] = value;
        call(`change:${key}`);
      },
      on: (event, f) => (listeners[event] ??= new Set()).add(f),
      off: (event, f) => listeners[event]?.delete(f),
      save_changes: () => {},
    };
  };

  const mount = async (host) => {
    if (host.dataset.mounted) return;
    host.dataset.mounted = "soon";
    try {
      const figure = JSON.parse(host.dataset.liveFigure);
      const keys = Object.keys(figure.bytes);
      const [module, , ...buffers] = await Promise.all([
        load(figure.modules),
        style(figure.style),
        ...keys.map((key) => blob(figure.bytes[key])),
      ]);
      const state = { ...figure.state };
      keys.forEach((key, i) => (state[key] = view(buffers[i])));
      const el = document.createElement("div");
      host.replaceChildren(el);
      host.vaelibModel = modelOf(state);
      await module.default.render({ model: host.vaelibModel, el });
      host.style.minHeight = "";
      host.dataset.mounted = "yes";
    } catch (error) {
      host.textContent = "This live figure could not start in this browser.";
      host.dataset.mounted = "failed";
      console.error(error);
    }
  };

  // A figure is loaded when it is about to come into view, or on its way to paper.
  const near = new IntersectionObserver(
    (entries) =>
      entries.forEach((entry) => {
        if (!entry.isIntersecting) return;
        near.unobserve(entry.target);
        mount(entry.target);
      }),
    { rootMargin: "900px 0px" },
  );
  page.mountAll = () =>
    document
      .querySelectorAll("[data-live-figure]:not([data-mounted])")
      .forEach((host) => near.observe(host));
  window.addEventListener("beforeprint", () =>
    document.querySelectorAll("[data-live-figure]").forEach(mount),
  );
  page.mountAll();
})();
