// Formats numbers, in sentences and in columns with aligned decimal points.

const Units = {
  names: { bytes: ["B", "KiB", "MiB", "GiB", "TiB", "PiB"], ns: ["ns", "µs", "ms", "s"], count: [""] },

  // Returns the digits, the unit, and whether the digits have no decimals.
  parts(number, kind) {
    const names = Units.names[kind];
    const step = kind === "bytes" ? 1024 : 1000;
    let unit = 0;
    let shown = Math.abs(number);
    while (unit + 1 < names.length && shown >= step) {
      shown /= step;
      unit += 1;
    }
    const sign = number < 0 ? "-" : "";
    const digits = unit === 0 ? Units.grouped(shown) : shown.toFixed(2);
    return [sign + digits, names[unit], unit === 0];
  },

  grouped(number) {
    return Math.round(number).toLocaleString("en");
  },

  // "187.50 MiB", "3,001".
  text(number, kind) {
    if (Number.isNaN(number)) return "not counted";
    const [digits, unit] = Units.parts(number, kind);
    return unit ? `${digits} ${unit}` : digits;
  },

  // The same with a sign, for a change.
  signed(number, kind) {
    return (number > 0 ? "+" : "") + Units.text(number, kind);
  },

  // Padded so that decimal points of the same kind are aligned.
  column(number, kind, isSigned) {
    if (Number.isNaN(number)) return "";
    const plus = isSigned && number > 0 ? "+" : "";
    if (number === 0) return kind === "count" ? "0" : "0".padEnd(kind === "bytes" ? 8 : 7);
    const [digits, unit, isWhole] = Units.parts(number, kind);
    if (kind === "count") return plus + digits;
    return `${plus}${digits}${isWhole ? "   " : ""} ${unit.padEnd(kind === "bytes" ? 3 : 2)}`;
  },

  share(part, whole) {
    if (!(whole > 0)) return "";
    const percent = (100 * part) / whole;
    return `${percent >= 99.95 || percent === 0 ? percent.toFixed(0) : percent.toFixed(percent < 0.1 ? 3 : 1)} %`;
  },

  // The last two segments of a path: `posts::get_post` of `blog::posts::get_post`.
  short(name) {
    let depth = 0;
    let seen = 0;
    for (let at = name.length - 1; at > 0; at -= 1) {
      const char = name[at];
      if (char === ">") depth += 1;
      if (char === "<") depth -= 1;
      if (char === ":" && name[at - 1] === ":" && depth <= 0) {
        seen += 1;
        if (seen === 2) return name.slice(at + 1);
        at -= 1;
      }
    }
    return name;
  },
};
