// The table of functions or lines: sortable by any column, filtered by the search.

const Table = {
  columns: [],
  order: [],

  begin() {
    Table.rows = new Rows(document.querySelector("#table .scroll"), Table.fill);
    for (const tab of ["functions", "lines"]) {
      document.getElementById(`tab-${tab}`).addEventListener("click", () => State.change({ tab, sort: "" }));
    }
  },

  isOfLines() {
    return State.now.tab === "lines";
  },

  // Chooses the columns for the current measure, and shows them.
  async make() {
    const isOfLines = Table.isOfLines();
    const quantity = Chart.quantity();
    const usual = ["live_bytes", "bytes_at_peak", "allocated_bytes", "allocation_count", "temporary_count", "own_ns"];
    const shown = Data.measures.filter(({ key }) => usual.includes(key));
    if (!shown.includes(quantity)) shown.push(quantity);
    const columns = [];
    for (const of of shown) {
      const isTime = of.kind === "ns";
      if (isTime && isOfLines && !Data.hasTimeOfLines) {
        columns.push({ key: "elapsed_ns", heading: "Time", kind: "ns", isMain: of === quantity, ...(await Data.sides("lines.elapsed_ns")) });
      } else if (isTime && !isOfLines && !Data.isTimeSampled) {
        columns.push({ ...of, isMain: of === quantity, ...(await Data.sides("functions.own_ns")) });
        const key = of === quantity ? "with_callees" : "inclusive_ns";
        const heading = of === quantity ? "With callees" : "Time";
        columns.push({ key, heading, kind: "ns", ...(await Data.sides("functions.inclusive_ns")) });
      } else {
        columns.push({ ...of, isMain: of === quantity, ...(await Table.ofEach(`lines.own.${of.key}`)) });
        if (of === quantity) {
          columns.push({ key: "with_callees", heading: "With callees", kind: of.kind, ...(await Table.ofEach(`lines.inclusive.${of.key}`)) });
        }
        if (isTime) {
          columns.push({ key: "waiting_ns", heading: "Waiting", kind: "ns", ...(await Table.ofEach("lines.own.waiting_ns")) });
          columns.push({ key: "sample_count", heading: "Samples", kind: "count", ...(await Table.ofEach("lines.own.sample_count")) });
        }
      }
    }
    const count = isOfLines ? "lines.hits" : "functions.calls";
    const counts = { key: "calls", heading: isOfLines ? "Hits" : "Calls", kind: "count", ...(await Data.counts(count)) };
    if (!Table.measured(counts).numbers.every(Number.isNaN)) columns.push(counts);
    if (isOfLines !== Table.isOfLines() || quantity !== Chart.quantity()) return;
    const isMain = (column) => column.isMain || column.key === "with_callees";
    const [main, others] = [columns.filter(isMain), columns.filter((column) => !isMain(column))];
    Table.columns = main.concat(others).map(Table.measured);
    Table.show();
  },

  // The numbers of the lines, or their sums by function.
  async ofEach(id) {
    const lines = await Data.sides(id);
    if (Table.isOfLines()) return lines;
    const functions = {};
    for (const side of ["before", "after"]) {
      const sums = new Float64Array(Data.functionCount);
      for (let line = 0; line < Data.lineCount; line += 1) sums[Data.lineFunction[line]] += lines[side][line];
      functions[side] = sums;
    }
    return functions;
  },

  measured(column) {
    const { before, after } = column;
    const numbers = Data.hasBefore ? after.map((number, at) => number - before[at]) : after;
    const most = numbers.reduce((most, number) => Math.max(most, Math.abs(number) || 0), 0);
    return { ...column, numbers, most };
  },

  show() {
    if (Table.columns.length === 0) return;
    const isOfLines = Table.isOfLines();
    for (const tab of ["functions", "lines"]) {
      document.getElementById(`tab-${tab}`).setAttribute("aria-selected", String(State.now.tab === tab));
    }
    const count = isOfLines ? Data.lineCount : Data.functionCount;
    const order = [];
    for (let place = 0; place < count; place += 1) {
      if (isOfLines ? Search.hasLine(place) : Search.hasFunction(place)) order.push(place);
    }
    Table.order = Table.sorted(order);
    const cut = order.length > Rows.most ? `, the first ${Units.grouped(Rows.most)} of which are shown` : "";
    document.getElementById("row-count").textContent =
      order.length === count ? `${Units.grouped(count)}${cut}` : `${Units.grouped(order.length)} of ${Units.grouped(count)}${cut}`;
    Table.head();
    Table.rows.show(order.length);
  },

  sortedBy() {
    const key = State.now.sort.replace("-", "");
    if (key === "where") return key;
    return (Table.columns.find((column) => column.key === key) ?? Table.columns.find((column) => column.isMain)).key;
  },

  sorted(order) {
    const by = Table.sortedBy();
    const turn = State.now.sort.startsWith("-") ? -1 : 1;
    if (by === "where") {
      const name = (place) => Data.names[Table.isOfLines() ? Data.lineFunction[place] : place];
      const compare = new Intl.Collator("en").compare;
      return order.sort((a, b) => turn * compare(name(a), name(b)) || a - b);
    }
    const { numbers } = Table.columns.find((column) => column.key === by);
    // The largest change comes first, whatever its sign, and what wasn't counted last.
    const size = (number) => {
      if (Number.isNaN(number)) return -Infinity;
      return Data.hasBefore ? Math.abs(number) : number;
    };
    return order.sort((a, b) => turn * (size(numbers[b]) - size(numbers[a])) || a - b);
  },

  head() {
    const by = Table.sortedBy();
    const isTurned = State.now.sort.startsWith("-");
    const where = { key: "where", heading: Table.isOfLines() ? "Line" : "Function", kind: "where" };
    const heads = Table.withWhere(Table.columns, where);
    const buttons = heads.map(({ key, heading, kind }) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = kind;
      button.dataset.sort = key;
      button.textContent = Data.hasBefore && kind !== "where" ? `Δ ${heading}` : heading;
      if (key === by) button.setAttribute("aria-sort", isTurned !== (key === "where") ? "ascending" : "descending");
      button.addEventListener("click", () => State.change({ sort: key === by && !isTurned ? `-${key}` : key }));
      return button;
    });
    document.querySelector("#table .head").replaceChildren(...buttons);
  },

  // Inserts the name's column after those of the current measure, and before the others.
  withWhere(cells, where) {
    const main = Table.columns.filter((column) => column.isMain || column.key === "with_callees").length;
    return [...cells.slice(0, main), where, ...cells.slice(main)];
  },

  fill(element, at) {
    const place = Table.order[at];
    const isOfLines = Table.isOfLines();
    const func = isOfLines ? Data.lineFunction[place] : place;
    const cells = Table.columns.map((column) => {
      const number = column.numbers[place];
      const sign = Data.hasBefore ? Rows.sign(number) : "";
      const zero = number === 0 ? " zero" : "";
      const share = column.isMain && column.most > 0 ? Math.abs(number) / column.most : 0;
      const cell = Rows.cell(Units.column(number, column.kind, Data.hasBefore), column.kind + sign + zero, share);
      if (Data.hasBefore) cell.title = `${Units.text(column.before[place], column.kind)} → ${Units.text(column.after[place], column.kind)}`;
      return cell;
    });
    const name = Data.names[func];
    const where = Rows.cell(isOfLines ? `${Units.short(name)}:${Tree.lineNumber[place]}` : name, "where");
    where.title = `${name}\n${Data.files[func]}`;
    if (isOfLines) where.append(Rows.cell(Data.sources[place].trim(), "code"));
    element.replaceChildren(...Table.withWhere(cells, where));
    element.setAttribute("aria-selected", String(isOfLines ? State.now.line === String(place) : State.now.source === String(func)));
    element.onclick = () => {
      State.change({ root: String(func), zoom: "", source: String(func), line: isOfLines ? String(place) : "" });
    };
  },
};
