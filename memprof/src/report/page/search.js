// The search: finds functions by name or file, and lines by their text.

const Search = {
  text: "",
  functions: null,
  lines: null,

  find() {
    Search.text = State.now.search.trim().toLowerCase();
    const has = (text) => text.toLowerCase().includes(Search.text);
    Search.functions = Data.names.map((name, func) => has(name) || has(Data.files[func]));
    Search.lines = Data.sources.map((source, line) => Search.functions[Data.lineFunction[line]] || has(source));
    // The table shows a function if its name, its file or one of its lines is found.
    Search.shown = Search.functions.slice();
    Search.lines.forEach((isFound, line) => {
      if (isFound) Search.shown[Data.lineFunction[line]] = true;
    });
    document.getElementById("found").textContent = Search.text ? Search.sentence() : "";
  },

  hasFunction(func) {
    return !Search.text || Search.shown[func];
  },

  hasLine(line) {
    return !Search.text || Search.lines[line];
  },

  isFound(node) {
    if (node.function < 0) return false;
    return node.line >= 0 ? Search.lines[node.line] : Search.shown[node.function];
  },

  // The number of functions found, and their share of the total with callees, counting nothing
  // twice.
  sentence() {
    const count = Search.shown.filter(Boolean).length;
    const functions = `${Units.grouped(count)} ${count === 1 ? "function" : "functions"}`;
    const { inclusive, flat, own } = Chart.measured ?? {};
    if (!inclusive || flat) return functions;
    const isWithin = new Uint8Array(Data.callCount);
    let sum = 0;
    for (let call = 0; call < Data.callCount; call += 1) {
      const caller = Data.callCaller[call];
      isWithin[call] = Search.shown[Data.callFunction[call]] || (caller >= 0 && isWithin[caller]) ? 1 : 0;
      if (isWithin[call]) sum += own.weight[call];
    }
    const all = Chart.measured.process.weight[1] + own.weight.reduce((sum, number) => sum + number, 0);
    return `${functions}, ${Units.share(sum, all) || "0 %"} with callees`;
  },
};
