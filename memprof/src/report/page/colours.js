// The colours of boxes: functions of a module have the same hue. In a difference, red is more and
// blue is less.

const Colours = {
  dark: window.matchMedia("(prefers-color-scheme: dark)"),
  ofFunction: [],

  of(node, steepest) {
    const isDark = Colours.dark.matches;
    if (node.kind === "rest") return isDark ? "#3a3d42" : "#d5d7da";
    if (Data.hasBefore) return Colours.ofChange(node, steepest, isDark);
    if (node.kind !== "frame") return isDark ? "#4a4e55" : "#c3c7cc";
    const cached = Colours.ofFunction[node.function];
    if (cached && cached.isDark === isDark) return cached.colour;
    const name = Data.names[node.function];
    const end = name.lastIndexOf("::");
    const hue = Colours.hash(end < 0 ? name : name.slice(0, end)) % 360;
    const shade = Colours.hash(name) % 5;
    const colour = isDark
      ? `hsl(${hue} 32% ${30 + shade * 3}%)`
      : `hsl(${hue} 48% ${70 + shade * 3}%)`;
    Colours.ofFunction[node.function] = { isDark, colour };
    return colour;
  },

  // The strength of the colour grows with the share of the total change.
  ofChange(node, steepest, isDark) {
    const change = node.after - node.before;
    if (change === 0) return isDark ? "#33363b" : "#eceef0";
    const strength = 0.25 + 0.75 * Math.sqrt(Math.min(1, Math.abs(change) / (steepest || 1)));
    const hue = change > 0 ? 4 : 214;
    return isDark
      ? `hsl(${hue} ${30 + 35 * strength}% ${20 + 26 * strength}%)`
      : `hsl(${hue} ${60 + 20 * strength}% ${93 - 32 * strength}%)`;
  },

  text() {
    return Colours.dark.matches ? "#f1f2f4" : "#15181c";
  },

  gap() {
    return Colours.dark.matches ? "#16181b" : "#ffffff";
  },

  mark(kind) {
    const marks = Colours.dark.matches
      ? { hovered: "#ffffff", alike: "#ff9df5", found: "#ffd84d", chosen: "#7fd4ff" }
      : { hovered: "#000000", alike: "#c2149f", found: "#b06a00", chosen: "#0067c0" };
    return marks[kind];
  },

  hash(text) {
    let hash = 2166136261;
    for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 16777619);
    return (hash ^ (hash >>> 15)) >>> 0;
  },
};
