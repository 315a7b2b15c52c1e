// Fits the bar's frame to its content, and reloads the bar while its request is under way.
"use strict";
(() => {
  const frame = window.frameElement;
  const { body } = document;
  const storage = {
    get() {
      try { return localStorage.getItem("memprof-toolbar"); } catch { return null; }
    },
    set(value) {
      try { localStorage.setItem("memprof-toolbar", value); } catch { /* not saved */ }
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

  // Opening a panel adds no entry to the page's history.
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
      // A click on the open panel closes it.
      go(link.hasAttribute("aria-current") ? close : link);
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && close) go(close);
    });
    document.querySelector(".strip [aria-current]")?.scrollIntoView({ inline: "nearest" });
  }

  if (body.dataset.open === "yes" && !hasPanel && body.classList.contains("bar")) {
    // The page's last frame may still be on its way. A page that never ends is given up after some
    // tries.
    const tries = Number(sessionStorage.getItem(location.pathname) ?? 0);
    sessionStorage.setItem(location.pathname, String(tries + 1));
    if (tries < 20) setTimeout(() => location.reload(), 100 * 1.5 ** tries);
  }
})();
