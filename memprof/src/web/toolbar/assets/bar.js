// Shows the bar in a frame, where the page's styles and its policy don't apply.
"use strict";
(() => {
  const script = document.currentScript;
  const source = new URL(`${script.dataset.memprof}/bar`, script.src).href;
  const known = document.getElementById("memprof-toolbar");
  if (known) {
    // A script of the page has fetched another page: the bar shows the last request.
    known.contentWindow.location.replace(source);
    return;
  }
  const frame = document.createElement("iframe");
  frame.id = "memprof-toolbar";
  frame.title = "memprof toolbar";
  frame.src = source;
  frame.style.cssText = "all: initial; position: fixed; right: 0; bottom: 0; width: 100%;"
    + " height: 34px; border: 0; z-index: 2147483647; color-scheme: light dark";
  let isSmall = false;
  try {
    isSmall = localStorage.getItem("memprof-toolbar") === "small";
  } catch {
    // There is no storage: the bar has its full width.
  }
  if (isSmall) frame.style.width = "100px";
  (document.body ?? document.documentElement).append(frame);
})();
