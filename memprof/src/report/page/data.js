// The report's data: columns of numbers and texts, unpacked when they are first used.

// The quantities of a line, by the names of their columns.
const QUANTITIES = [
  { key: "live_bytes", name: "bytes alive", heading: "Alive", kind: "bytes" },
  { key: "bytes_at_peak", name: "bytes at the peak", heading: "At the peak", kind: "bytes" },
  { key: "allocated_bytes", name: "bytes allocated", heading: "Allocated", kind: "bytes" },
  { key: "allocation_count", name: "blocks allocated", heading: "Blocks", kind: "count" },
  { key: "live_count", name: "blocks alive", heading: "Blocks alive", kind: "count" },
  { key: "temporary_count", name: "temporary blocks", heading: "Temporary", kind: "count" },
  { key: "moved_bytes", name: "bytes moved", heading: "Moved", kind: "bytes" },
  // For functions and lines, and in the report of a scope or with samples also for calls.
  { key: "own_ns", name: "own time", heading: "Own time", kind: "ns" },
];

const Data = {
  hasBefore: false,
  hasTime: false,
  hasTimeOfCalls: false,
  // Whether samples tell the time of lines, and whether that of calls comes from them, too.
  hasTimeOfLines: false,
  isTimeSampled: false,
  functionCount: 0,
  lineCount: 0,
  callCount: 0,
  // For each function, the index of its first line, and a last entry for the end.
  lineStart: null,
  lineFunction: null,
  // For each call: its function, its caller or -1, the line it was called from or -1, and the index
  // of its first row.
  callFunction: null,
  callCaller: null,
  callLine: null,
  rowStart: null,
  // For each row, the line that allocated.
  rowLine: null,
  names: [],
  files: [],
  sources: [],
  // The quantities that the report has.
  measures: [],
  columns: new Map(),

  async bytes(id) {
    const element = document.getElementById(id);
    if (!element) return new Uint8Array();
    const text = element.textContent;
    let packed;
    if (Uint8Array.fromBase64) {
      packed = Uint8Array.fromBase64(text);
    } else {
      const binary = atob(text);
      packed = new Uint8Array(binary.length);
      for (let at = 0; at < binary.length; at += 1) packed[at] = binary.charCodeAt(at);
    }
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  },

  // The encoding is that of `columns.rs`: seven bits per byte, the lowest first, with the eighth
  // bit set in all but the last byte. The lowest bit of all is the sign.
  numbers(id) {
    if (!Data.columns.has(id)) Data.columns.set(id, Data.bytes(id).then(Data.decoded));
    return Data.columns.get(id);
  },

  decoded(bytes) {
    let count = 0;
    for (let at = 0; at < bytes.length; at += 1) count += bytes[at] < 128 ? 1 : 0;
    const numbers = new Float64Array(count);
    let at = 0;
    for (let place = 0; place < count; place += 1) {
      let byte = bytes[at++];
      let number = byte & 127;
      let weight = 128;
      while (byte >= 128) {
        byte = bytes[at++];
        number += (byte & 127) * weight;
        weight *= 128;
      }
      numbers[place] = number % 2 ? -(number + 1) / 2 : number / 2;
    }
    return numbers;
  },

  // Control characters that affect how a browser displays a text are replaced, such as those for
  // its direction, and long texts are cut.
  async texts(id) {
    const texts = JSON.parse(new TextDecoder().decode(await Data.bytes(id)));
    const obeyed = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
    return texts.map((text) => (text.length > 1000 ? `${text.slice(0, 1000)} …` : text).replace(obeyed, "\ufffd"));
  },

  async load() {
    if (typeof DecompressionStream === "undefined") {
      throw new Error("this browser can't unpack the report: it has no DecompressionStream; try a newer one");
    }
    Data.hasBefore = document.getElementById("before.functions.calls") !== null;
    const [lines, functions, callers, callLines, rows, rowLines, ownNs, callNs] = await Promise.all([
      Data.numbers("functions.lines"), Data.numbers("calls.function"), Data.numbers("calls.caller"),
      Data.numbers("calls.line"), Data.numbers("calls.rows"), Data.numbers("rows.line"),
      Data.numbers("after.functions.own_ns"), Data.numbers("after.calls.own_ns"),
    ]);
    [Data.names, Data.files, Data.sources] = await Promise.all(
      ["functions.name", "functions.file", "lines.source"].map(Data.texts),
    );
    Data.hasTime = ownNs.some((number) => number > 0);
    Data.hasTimeOfCalls = callNs.some((number) => number > 0);
    Data.hasTimeOfLines = document.getElementById("after.rows.own_ns") !== null;
    if (Data.hasTimeOfLines) Data.isTimeSampled = (await Data.numbers("after.measured-calls"))[0] === 0;
    Data.lineStart = Data.starts(lines);
    Data.functionCount = lines.length;
    Data.lineCount = Data.lineStart[lines.length];
    Data.lineFunction = Data.owners(Data.lineStart);

    const count = functions.length;
    Data.callCount = count;
    Data.callFunction = Int32Array.from(functions);
    Data.callCaller = new Int32Array(count);
    Data.callLine = new Int32Array(count);
    for (let call = 0; call < count; call += 1) {
      const caller = callers[call] > 0 ? call - callers[call] : -1;
      Data.callCaller[call] = caller;
      Data.callLine[call] = caller < 0 ? -1 : Data.lineStart[functions[caller]] + callLines[call];
    }
    Data.rowStart = Data.starts(rows);
    Data.rowLine = new Int32Array(rowLines.length);
    for (let call = 0; call < count; call += 1) {
      const first = Data.lineStart[functions[call]];
      for (let row = Data.rowStart[call]; row < Data.rowStart[call + 1]; row += 1) {
        Data.rowLine[row] = first + rowLines[row];
      }
    }
  },

  // The start of each group, from the sizes of the groups, and the end of the last one.
  starts(sizes) {
    const starts = new Int32Array(sizes.length + 1);
    for (let at = 0; at < sizes.length; at += 1) starts[at + 1] = starts[at] + sizes[at];
    return starts;
  },

  // The group of each element.
  owners(starts) {
    const owners = new Int32Array(starts[starts.length - 1]);
    for (let group = 0; group + 1 < starts.length; group += 1) owners.fill(group, starts[group], starts[group + 1]);
    return owners;
  },

  // A column of both reports; zeros for the earlier report if there is none.
  async sides(id) {
    const after = await Data.numbers(`after.${id}`);
    const before = Data.hasBefore ? await Data.numbers(`before.${id}`) : new Float64Array(after.length);
    return { before, after };
  },

  // The same for a column of calls or hits: NaN stands for what wasn't counted.
  async counts(id) {
    const { before, after } = await Data.sides(id);
    const counted = (numbers) => numbers.map((number) => (number < 0 ? NaN : number));
    return { before: counted(before), after: counted(after) };
  },
};
