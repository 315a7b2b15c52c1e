// Keyboard shortcuts.

const Keys = {
  list: [
    ["/", "search", () => document.getElementById("search").focus()],
    ["ArrowLeft", "box to the left", () => Chart.move(-1, 0)],
    ["ArrowRight", "box to the right", () => Chart.move(1, 0)],
    ["ArrowDown", "box below", () => Chart.move(0, 1)],
    ["ArrowUp", "box above", () => Chart.move(0, -1)],
    ["Enter", "zoom to the box", () => Chart.chosen && Chart.zoom(Chart.chosen.node)],
    ["Backspace", "zoom out one level", () => Chart.zoom(Chart.top)],
    ["0", "reset zoom and root", () => State.change({ zoom: "", root: "" })],
    ["m", "next measure", () => Keys.next("measure")],
    ["s", "icicle or sunburst", () => Keys.next("shape")],
    ["i", "invert", () => Keys.next("direction")],
    ["l", "by function or by line", () => Keys.next("frames")],
    ["t", "table of functions or of lines", () => State.change({ tab: State.now.tab === "lines" ? "functions" : "lines", sort: "" })],
    ["c", "call stack", () => document.getElementById("show-stack").click()],
    ["?", "this help", () => document.getElementById("help").showModal()],
    ["Escape", "leave the search, or clear it", () => State.change({ search: "" })],
  ],

  begin() {
    const shown = { ArrowLeft: "←", ArrowRight: "→", ArrowDown: "↓", ArrowUp: "↑", Escape: "Esc" };
    for (const [key, what] of Keys.list) {
      const term = document.createElement("dt");
      const sign = document.createElement("kbd");
      sign.textContent = shown[key] ?? key;
      term.append(sign);
      const text = document.createElement("dd");
      text.textContent = what;
      document.getElementById("keys").append(term, text);
    }
    document.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || document.getElementById("help").open) return;
      const at = event.target;
      if (at instanceof HTMLInputElement) {
        if (event.key === "Escape" || event.key === "Enter") at.blur();
        return;
      }
      const isArrow = event.key.startsWith("Arrow");
      if (at instanceof HTMLSelectElement) return;
      if (at instanceof HTMLButtonElement && event.key === "Enter") return;
      if (isArrow && at.classList.contains("scroll")) return;
      const entry = Keys.list.find(([key]) => key === event.key);
      if (!entry) return;
      event.preventDefault();
      entry[2]();
    });
  },

  // Selects the next option of a list.
  next(id) {
    const list = document.getElementById(id);
    list.selectedIndex = (list.selectedIndex + 1) % list.options.length;
    list.dispatchEvent(new Event("change"));
  },
};
