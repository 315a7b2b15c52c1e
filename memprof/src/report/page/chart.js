// The chart of calls: drawing, pointer and keyboard, and the strip that describes the box under the
// pointer.

const Chart = {
  tree: null,
  top: null,
  boxes: [],
  size: null,
  hovered: null,
  // The box selected with the keyboard.
  chosen: null,
  measuredFor: "",
  measured: null,

  begin() {
    Chart.boxesCanvas = document.getElementById("boxes");
    Chart.marksCanvas = document.getElementById("marks");
    Chart.area = document.getElementById("canvases");
    const at = (event) => {
      const rect = Chart.marksCanvas.getBoundingClientRect();
      return Chart.shape().at(Chart.boxes, Chart.size, event.clientX - rect.left, event.clientY - rect.top);
    };
    Chart.area.addEventListener("pointermove", (event) => Chart.hover(at(event) ?? null));
    Chart.area.addEventListener("pointerleave", () => Chart.hover(null));
    Chart.area.addEventListener("click", (event) => {
      const box = at(event);
      if (box) Chart.zoom(box.node);
    });
    new ResizeObserver(() => Chart.draw()).observe(document.getElementById("chart"));
    Colours.dark.addEventListener("change", () => Chart.draw());
  },

  shape() {
    return State.now.shape === "sunburst" ? Sunburst : Icicle;
  },

  quantity() {
    return QUANTITIES.find((quantity) => quantity.key === State.now.measure) ?? QUANTITIES[0];
  },

  // Rebuilds the tree for the current measure, and shows the node that is zoomed to.
  async grow() {
    const quantity = Chart.quantity();
    const { width, direction, frames, root } = State.now;
    const wanted = `${quantity.key} ${width}`;
    if (Chart.measuredFor !== wanted) {
      const measured = await Tree.measured(quantity, width);
      // The user may have chosen something else in the meantime.
      if (wanted !== `${Chart.quantity().key} ${State.now.width}`) return;
      Chart.measured = measured;
      Chart.measuredFor = wanted;
    }
    const place = State.place(root, Data.functionCount);
    Chart.tree = Tree.grown(Chart.measured, direction === "inverted", frames === "lines", place);
    Chart.find();
  },

  find() {
    const keys = State.now.zoom ? State.now.zoom.split(".") : [];
    Chart.top = Tree.find(Chart.tree, keys);
    Chart.hovered = null;
    Chart.chosen = null;
    Chart.draw();
  },

  // Zooms to a node, or to the parent of the node that is topmost already.
  zoom(node) {
    const to = node === Chart.top ? node.parent : node;
    if (!to) return;
    const keys = to.path().slice(1).map((node) => node.key);
    if (to.function >= 0) State.change({ zoom: keys.join("."), source: String(to.function), line: to.line >= 0 ? String(to.line) : "" });
    else State.change({ zoom: keys.join(".") });
  },

  draw() {
    if (!Chart.tree) return;
    const shape = Chart.shape();
    const pane = document.getElementById("chart");
    const list = document.getElementById("stack");
    const available = pane.clientWidth - (list.hidden ? 0 : list.offsetWidth) - 2;
    const depth = Number(State.now.depth) || 10;
    const narrowest = shape.size(available, depth, pane.clientHeight).narrowest;
    Chart.boxes = Tree.layout(Chart.tree, Chart.top, depth, Number(State.now.cutoff) || 0, narrowest);
    const deepest = Chart.boxes.reduce((deepest, box) => Math.max(deepest, box.depth), 0);
    Chart.size = shape.size(available, deepest + 1, pane.clientHeight);
    const context = Chart.sized(Chart.boxesCanvas);
    Chart.sized(Chart.marksCanvas);
    const steepest = Math.abs(Chart.tree.root.weight);
    context.font = "11px ui-monospace, Menlo, Consolas, monospace";
    for (const box of Chart.boxes) {
      context.beginPath();
      shape.trace(context, box, Chart.size, 0);
      context.fillStyle = Colours.of(box.node, steepest);
      context.fill();
    }
    context.fillStyle = Colours.text();
    for (const box of Chart.boxes) {
      const name = box.node.kind === "frame" ? Chart.label(box.node) : box.node.name();
      shape.label(context, box, Chart.size, name, Chart.value(box.node));
    }
    Chart.mark();
    Chart.tellStack();
    document.getElementById("reset-zoom").disabled = Chart.top === Chart.tree.root;
    document.getElementById("reset-root").disabled = State.now.root === "";
  },

  label(node) {
    const name = Units.short(Data.names[node.function]);
    if (node.line < 0) return name;
    return `${name}:${Tree.lineNumber[node.line]} ${Data.sources[node.line].trim()}`;
  },

  sized(canvas) {
    const scale = window.devicePixelRatio || 1;
    const { width, height } = Chart.size;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    Chart.area.style.height = `${height}px`;
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    return context;
  },

  // Outlines the boxes found by the search, and all boxes of the function under the pointer.
  mark() {
    const context = Chart.marksCanvas.getContext("2d");
    context.clearRect(0, 0, Chart.size.width, Chart.size.height);
    const outline = (boxes, colour, width) => {
      context.beginPath();
      for (const box of boxes) Chart.shape().trace(context, box, Chart.size, width / 2);
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.stroke();
    };
    if (Search.text) {
      context.beginPath();
      for (const box of Chart.boxes) if (!Search.isFound(box.node)) Chart.shape().trace(context, box, Chart.size, 0);
      context.fillStyle = Colours.gap();
      context.globalAlpha = 0.6;
      context.fill();
      context.globalAlpha = 1;
      outline(Chart.boxes.filter((box) => Search.isFound(box.node)), Colours.mark("found"), 2);
    }
    const at = Chart.hovered ?? Chart.chosen;
    if (at && at.node.function >= 0) {
      outline(Chart.boxes.filter((box) => box.node.function === at.node.function), Colours.mark("alike"), 2);
    }
    if (Chart.chosen) outline([Chart.chosen], Colours.mark("chosen"), 2);
    if (Chart.hovered) outline([Chart.hovered], Colours.mark("hovered"), 1);
    Chart.tell(at);
  },

  hover(box) {
    if (box === Chart.hovered) return;
    Chart.hovered = box;
    Chart.marksCanvas.classList.toggle("over", box !== null);
    Chart.mark();
  },

  value(node) {
    const { kind } = Chart.quantity();
    return Data.hasBefore ? Units.signed(node.after - node.before, kind) : Units.text(node.after, kind);
  },

  // Describes the box under the pointer, or else the topmost one.
  tell(box) {
    const node = box ? box.node : Chart.top;
    const { kind, name: whole } = Chart.quantity();
    // The unit already says "bytes".
    const name = whole.replace("bytes ", "");
    const parts = [[node.name(), "name"]];
    if (Data.hasBefore) {
      parts.push([`${Units.text(node.before, kind)} → ${Units.text(node.after, kind)} (${Chart.value(node)}) ${name}`, ""]);
    } else {
      parts.push([`${Units.text(node.after, kind)} ${name}`, ""]);
    }
    const root = Chart.tree.root;
    if (node !== root) parts.push([`${Units.share(node.weight, root.weight)} of ${root.function >= 0 ? "root" : "all"}`, "quiet"]);
    if (node !== root && Chart.top !== root && node !== Chart.top) parts.push([`${Units.share(node.weight, Chart.top.weight)} of what is shown`, "quiet"]);
    if (node.function >= 0) {
      const line = node.line >= 0 ? node.line : Data.lineStart[node.function];
      const number = line < Data.lineStart[node.function + 1] ? `:${Tree.lineNumber[line]}` : "";
      parts.push([`${Data.files[node.function]}${number}`, "quiet"]);
      if (node.line >= 0) parts.push([Data.sources[node.line].trim(), "code"]);
    }
    if (!(root.weight > 0)) parts.push(["nothing to draw: choose another measure", "quiet"]);
    if (Chart.measured.flat) parts.push(["by function only: times of calls are known in the report of a scope", "quiet"]);
    document.getElementById("info").replaceChildren(...parts.map(([text, name]) => Chart.span(text, name)));
  },

  span(text, name) {
    const span = document.createElement("span");
    span.textContent = text;
    span.className = name;
    return span;
  },

  // Lists the nodes from the topmost one to the root.
  tellStack() {
    const list = document.getElementById("stack");
    list.hidden = State.now.stack === "";
    document.getElementById("show-stack").setAttribute("aria-pressed", String(!list.hidden));
    if (list.hidden) return;
    const items = Chart.top.path().reverse().slice(0, 1000).map((node) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      button.type = "button";
      button.append(Chart.span(node.name(), "name"), Chart.span(Chart.value(node), "quiet"));
      button.disabled = node === Chart.top;
      button.addEventListener("click", () => Chart.zoom(node));
      item.append(button);
      return item;
    });
    list.replaceChildren(...items);
  },

  // Selects the box next to the selected one.
  move(across, down) {
    const at = Chart.chosen ?? Chart.boxes[0];
    if (!at) return;
    let next;
    if (across) {
      const row = Chart.boxes.filter((box) => box.depth === at.depth).sort((a, b) => a.from - b.from);
      next = row[row.indexOf(at) + across];
    } else {
      const middle = (box) => box.from <= at.from + 1e-12 && at.from < box.to;
      const below = (box) => at.from - 1e-12 <= box.from && box.from < at.to;
      const row = Chart.boxes.filter((box) => box.depth === at.depth + down && (down < 0 ? middle(box) : below(box)));
      next = row.sort((a, b) => a.from - b.from)[0];
    }
    if (!next) return;
    Chart.chosen = next;
    Chart.mark();
    const pane = document.getElementById("chart");
    const y = State.now.shape === "icicle" ? next.depth * Icicle.row : 0;
    if (y < pane.scrollTop || y + 2 * Icicle.row > pane.scrollTop + pane.clientHeight) pane.scrollTop = y - pane.clientHeight / 2;
  },
};
