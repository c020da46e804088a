// Opened from a file, a page may not fetch another one: search then lists titles
// without the excerpts that it would read from the pages found.
if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS !== "undefined") {
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
}
