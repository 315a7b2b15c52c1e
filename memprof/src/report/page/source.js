// The source pane: a function's lines with their numbers.

const Source = {
  lines: { first: 0, columns: [], indent: 0 },

  begin() {
    Source.rows = new Rows(document.querySelector("#source .scroll"), Source.fill);
  },

  async make() {
    const func = State.place(State.now.source, Data.functionCount);
    const quantity = Chart.quantity();
    if (func < 0) return;
    const isTime = quantity.kind === "ns" && !Data.hasTimeOfLines;
    const isSampled = quantity.kind === "ns" && Data.hasTimeOfLines;
    const [hits, own, inclusive, samples] = await Promise.all([
      Data.counts("lines.hits"),
      Data.sides(isTime ? "lines.elapsed_ns" : `lines.own.${quantity.key}`),
      Data.sides(isTime ? "lines.elapsed_ns" : `lines.inclusive.${quantity.key}`),
      isSampled ? Data.sides("lines.own.sample_count") : null,
    ]);
    if (quantity !== Chart.quantity() || func !== State.place(State.now.source, Data.functionCount)) return;
    const { kind } = quantity;
    const [first, end] = [Data.lineStart[func], Data.lineStart[func + 1]];
    const isCounted = !hits.after.subarray(first, end).every(Number.isNaN);
    const heading = isTime ? "Time" : quantity.heading;
    const difference = (sides) => sides.after.map((number, at) => number - sides.before[at]);
    const columns = Data.hasBefore
      ? [
          { heading: "Before", kind, numbers: own.before },
          { heading: "After", kind, numbers: own.after },
          { heading: `Δ ${heading}`, kind, numbers: difference(own), isChange: true },
          { heading: "Δ with callees", kind, numbers: difference(inclusive), isChange: true, isHeat: true },
        ]
      : [
          ...(isCounted ? [{ heading: "Hits", kind: "count", numbers: hits.after }] : []),
          { heading, kind, numbers: own.after },
          { heading: "With callees", kind, numbers: inclusive.after, isHeat: true },
        ];
    if (isSampled && !Data.hasBefore) columns.splice(-2, 0, { heading: "Samples", kind: "count", numbers: samples.after });
    // The time of a line always includes its callees, so it needs only one column.
    if (isTime) columns.splice(columns.length - 2, 1);
    for (const column of columns) {
      column.most = column.numbers.subarray(first, end).reduce((most, number) => Math.max(most, Math.abs(number) || 0), 0);
    }
    const indents = Data.sources.slice(first, end).filter((source) => source.trim()).map((source) => source.search(/\S/));
    Source.lines = { first, columns, indent: Math.min(...indents.slice(0, 10000)) };
    document.getElementById("source-name").textContent = Data.names[func];
    const isLeftOut = end > first && Data.sources.slice(first, end).every((source) => source === "");
    document.getElementById("source-place").textContent = isLeftOut
      ? `${Data.files[func]}, whose source text was left out`
      : Data.files[func];
    const heads = columns.map(({ heading, kind }) => Rows.cell(heading, kind));
    document.querySelector("#source .head").replaceChildren(Rows.cell("Line", "count number"), ...heads, Rows.cell("", "source"));
    Source.rows.show(end - first);
    const line = State.place(State.now.line, Data.lineCount);
    if (line >= first && line < end) Source.rows.reveal(line - first);
  },

  fill(element, at) {
    const { first, columns, indent } = Source.lines;
    const line = first + at;
    const number = Tree.lineNumber[line];
    const isGone = Data.hasBefore && Source.isGone(line);
    const cells = columns.map((column) => {
      const number = column.numbers[line];
      const sign = column.isChange ? Rows.sign(number) : "";
      const share = column.isHeat && column.most > 0 ? Math.abs(number) / column.most : 0;
      return Rows.cell(Units.column(number, column.kind, column.isChange), column.kind + sign + (number === 0 ? " zero" : ""), share);
    });
    element.replaceChildren(Rows.cell(isGone ? "gone" : String(number), "count number"), ...cells, Rows.cell(Data.sources[line].slice(indent), "source"));
    // Lines without anything to measure are missing in between.
    const isApart = at > 0 && number > Tree.lineNumber[line - 1] + 1;
    element.classList.toggle("apart", isApart);
    element.classList.toggle("gone", isGone);
    element.setAttribute("aria-selected", String(State.now.line === String(line)));
  },

  // Whether a line is only in the earlier report.
  isGone(line) {
    return Source.after ? Source.after[line] === 0 : false;
  },
};
