// What pages do beside showing themselves: the bar's frame has the size of what is in it,
// and a request that is under way is looked at again.
"use strict";
(() => {
  const frame = window.frameElement;
  const { body } = document;
  const storage = {
    get() {
      try { return localStorage.getItem("memprof-toolbar"); } catch { return null; }
    },
    set(value) {
      try { localStorage.setItem("memprof-toolbar", value); } catch { /* it is forgotten */ }
    },
  };
  const hasPanel = body.dataset.panel === "yes";

  const shape = () => {
    const isSmall = storage.get() === "small" && !hasPanel;
    body.classList.toggle("small", isSmall);
    document.getElementById("toggle").setAttribute("aria-expanded", String(!isSmall));
    if (!frame) return;
    frame.style.width = isSmall ? "100px" : "100%";
    frame.style.height = hasPanel ? "min(60vh, 620px)" : "34px";
  };

  // A panel is no step that the page's own way back should take.
  const go = (link) => location.replace(link.href);

  if (body.classList.contains("bar")) {
    shape();
    const close = document.querySelector(".close");
    document.getElementById("toggle").addEventListener("click", () => {
      storage.set(storage.get() === "small" || hasPanel ? "large" : "small");
      if (hasPanel) go(close); else shape();
    });
    document.querySelector(".strip").addEventListener("click", (event) => {
      const link = event.target.closest("a");
      if (!link || link.target || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      // Again: it closes.
      go(link.hasAttribute("aria-current") ? close : link);
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && close) go(close);
    });
    document.querySelector(".strip [aria-current]")?.scrollIntoView({ inline: "nearest" });
  }

  if (body.dataset.open === "yes" && !hasPanel && body.classList.contains("bar")) {
    // The page's last piece may still be on its way; of one that never ends, not for ever.
    const tries = Number(sessionStorage.getItem(location.pathname) ?? 0);
    sessionStorage.setItem(location.pathname, String(tries + 1));
    if (tries < 20) setTimeout(() => location.reload(), 100 * 1.5 ** tries);
  }
})();
