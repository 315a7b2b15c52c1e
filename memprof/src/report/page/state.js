// The view, which is also stored in the fragment of the page's address.

const State = {
  defaults: {
    measure: "live_bytes",
    width: "change",
    shape: "icicle",
    direction: "callers",
    frames: "functions",
    depth: "10",
    cutoff: "0",
    root: "", // the index of a function
    zoom: "", // the keys of the nodes below the root
    stack: "",
    search: "",
    tab: "functions",
    sort: "", // the key of a column; a leading `-` reverses the order
    source: "", // the index of a function
    line: "",
  },
  now: {},
  // Called with the set of changed keys.
  listeners: [],

  // `defaults` depend on the report, for example the measure.
  begin(defaults) {
    Object.assign(State.defaults, defaults);
    State.now = State.read();
    window.addEventListener("hashchange", () => {
      if (location.hash.slice(1) === State.text()) return;
      const before = State.now;
      State.now = State.read();
      State.tell(Object.keys(State.now).filter((key) => State.now[key] !== before[key]));
    });
  },

  read() {
    const read = { ...State.defaults };
    for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
      if (Object.hasOwn(read, key)) read[key] = value;
    }
    return read;
  },

  text() {
    const changed = Object.entries(State.now).filter(([key, value]) => value !== State.defaults[key]);
    return new URLSearchParams(changed).toString();
  },

  // Changes the view. A step adds an entry to the browser's history; other changes, such as each
  // letter of a search, replace the current entry.
  change(values, isStep = true) {
    const changed = Object.keys(values).filter((key) => State.now[key] !== values[key]);
    if (changed.length === 0) return;
    Object.assign(State.now, values);
    if (isStep) location.hash = State.text();
    else location.replace(`#${State.text()}`);
    State.tell(changed);
  },

  tell(changed) {
    for (const listener of State.listeners) listener(new Set(changed));
  },

  // Parses an index into a list of `count` elements, or returns -1.
  place(value, count) {
    const place = /^\d+$/.test(value) ? Number(value) : -1;
    return place < count ? place : -1;
  },
};
