// Opened from a file, a page may not fetch another one: search then lists titles
// without the excerpts that it would read from the pages found.
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}

// An equation that is wider than the page scrolls. It must also scroll by the keyboard,
// so it can be focused while it does; the theme does this for code and tables.
function letWideEquationsBeFocused() {
  const boxes = 'mjx-container[display="true"], .bd-article td p';
  for (const box of document.querySelectorAll(boxes)) {
    const scrolls =
      box.scrollWidth > box.clientWidth &&
      getComputedStyle(box).overflowX.match(/auto|scroll/);
    if (scrolls) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}
addEventListener("load", async () => {
  await window.MathJax?.startup?.promise;
  new ResizeObserver(letWideEquationsBeFocused).observe(document.body);
});

// Words in formulas are set in the page's letters, whose width MathJax measures once: it
// waits for them, though not for ever. (MathJax comes after this script.)
if (window.MathJax) {
  const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  window.MathJax.startup = {
    async pageReady() {
      const text = document.querySelector("article p") ?? document.body;
      const letters = document.fonts.load(getComputedStyle(text).font);
      await Promise.race([letters.catch(() => {}), later(3000)]);
      return window.MathJax.startup.defaultPageReady();
    },
  };
}
