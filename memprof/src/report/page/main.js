// Loads the report, and updates the parts of the page that a change of the view affects.

const Main = {
  lists: ["measure", "width", "shape", "direction", "frames", "depth", "cutoff"],

  async begin() {
    await About.show();
    await Main.tellNotes();
    await Data.load();
    Tree.prepare(await Data.sides("lines.number"));
    Source.after = (await Data.sides("lines.number")).after;
    const totals = await Main.totals();
    // Only reports of a process have a peak, and not all reports have times.
    const hasPeak = "bytes_at_peak" in totals && (Main.isThere(totals.bytes_at_peak) || !Main.isThere(totals.allocated_bytes));
    const isRecorded = { ns: Data.hasTime, bytes_at_peak: hasPeak };
    const measures = Data.measures = QUANTITIES.filter(({ key, kind }) => isRecorded[key] ?? isRecorded[kind] ?? key in totals);
    document.getElementById("measure").append(...measures.map(({ key, name }) => new Option(name, key)));
    // The main quantity as chosen by `Report::main_quantity`, or else the first quantity that isn't
    // zero.
    const [mainKey] = await Data.texts("main-measure");
    const isThere = ({ key }) => Main.hasAny(totals[key]);
    const isFirst = ({ key }) => key === mainKey;
    const main = measures.filter(isFirst).find(isThere) ?? measures.find(isThere) ?? measures[0];
    State.begin({ measure: main.key });
    if (Data.hasBefore) {
      document.title = "memprof: what changed";
      document.getElementById("width-label").hidden = false;
      document.getElementById("legend").hidden = false;
    }
    Main.tellTotals(totals);
    Main.wire();
    for (const part of [Chart, Table, Source, Keys]) part.begin();
    State.listeners.push(Main.show);
    await Main.show(new Set(Object.keys(State.now)));
    document.body.dataset.ready = "yes";
  },

  async totals() {
    const totals = {};
    for (const { key } of QUANTITIES) {
      // An unknown quantity has no column.
      const isKnown = document.getElementById(`after.process.${key}`) !== null;
      if (isKnown) totals[key] = await Data.sides(`process.${key}`);
    }
    return totals;
  },

  isThere: (sides) => sides.before[0] !== 0 || sides.after[0] !== 0,

  // Whether profiled functions have any of a quantity, or any change in it.
  hasAny(sides) {
    if (!sides) return false;
    const [before, after] = [sides.before, sides.after].map(([total, untracked]) => total - untracked);
    return Data.hasBefore ? after !== before : after > 0;
  },

  tellTotals(totals) {
    const list = document.getElementById("totals");
    const tell = (name, text, hint) => {
      const [term, value] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = name;
      value.textContent = text;
      value.title = hint;
      list.append(term, value);
    };
    for (const { key, heading, kind } of Data.measures) {
      if (key === "moved_bytes" || !totals[key]) continue;
      const { before, after } = totals[key];
      const number = (at) => Data.hasBefore
        ? `${Units.text(before[at], kind)} → ${Units.text(after[at], kind)}`
        : Units.text(after[at], kind);
      tell(kind === "ns" ? "Time" : heading, number(0), `${number(1)} outside of profiled functions`);
    }
    if (document.getElementById("unknown") !== null) {
      Data.texts("unknown").then(([why]) => tell("Not known", why, ""));
    }
    Data.numbers("after.process").then(([peakError, leftOut, isRounded, interim]) => {
      if (interim >= 0) {
        const text = `written ${(interim / 1e9).toFixed(1)} s after the first call of a profiled function; the program went on`;
        tell("Before the end", text, "what came later is not in this report");
      }
      if (peakError > 0) tell("Peak may be higher by", Units.text(peakError, "bytes"), "several threads allocated");
      if (leftOut > 0) tell("Calls without their callers", Units.grouped(leftOut), "there were too many call paths");
      if (isRounded) tell("Resident memory", "rounded", "by this kernel, in steps of 128 KiB and more");
    });
  },

  // Shows the remarks on the report, and the notes on functions: pairs of path and sentence.
  async tellNotes() {
    const textsOf = async (id) => document.getElementById(id) === null ? [] : Data.texts(id);
    const sentences = [...await textsOf("remarks")];
    const notes = [...await textsOf("notes")];
    for (let at = 0; at < notes.length; at += 2) sentences.push(`${notes[at]}: ${notes[at + 1]}`);
    const said = document.getElementById("said");
    for (const sentence of sentences) {
      const paragraph = document.createElement("p");
      paragraph.textContent = sentence;
      said.append(paragraph);
    }
    said.hidden = sentences.length === 0;
  },

  wire() {
    for (const id of Main.lists) {
      document.getElementById(id).addEventListener("change", (event) => {
        const isOtherTree = id === "direction" || id === "frames";
        State.change({ [id]: event.target.value, ...(isOtherTree ? { zoom: "" } : {}) });
      });
    }
    const on = (id, act) => document.getElementById(id).addEventListener("click", act);
    on("reset-zoom", () => State.change({ zoom: "" }));
    on("reset-root", () => State.change({ root: "", zoom: "" }));
    on("show-stack", () => State.change({ stack: State.now.stack ? "" : "on" }));
    on("show-help", () => document.getElementById("help").showModal());
    document.getElementById("search").addEventListener("input", (event) => State.change({ search: event.target.value }, false));
  },

  async show(changed) {
    const any = (...keys) => keys.some((key) => changed.has(key));
    for (const id of Main.lists) {
      const list = document.getElementById(id);
      list.value = State.now[id];
      // The address may contain any value.
      if (list.selectedIndex < 0) list.value = State.now[id] = State.defaults[id];
    }
    const search = document.getElementById("search");
    if (search.value !== State.now.search) search.value = State.now.search;
    if (any("search")) Search.find();

    if (any("measure", "width", "direction", "frames", "root")) await Chart.grow();
    else if (any("zoom")) Chart.find();
    else if (any("shape", "depth", "cutoff", "stack")) Chart.draw();
    else if (any("search")) Chart.mark();
    // The search result depends on what the chart measures.
    if (any("measure", "width") && Search.text) Search.find();

    if (any("tab", "measure")) await Table.make();
    else if (any("sort", "search")) Table.show();
    else if (any("source", "line")) Table.rows.draw();
    if (State.now.source === "" && Table.order.length > 0) {
      const most = Table.order[0];
      State.change({ source: String(Table.isOfLines() ? Data.lineFunction[most] : most) }, false);
    } else if (any("source", "line", "measure")) {
      await Source.make();
    }
  },
};

Main.begin().catch((error) => {
  document.getElementById("info").textContent = `The report can't be shown: ${error.message}`;
  document.body.dataset.ready = "no";
});
