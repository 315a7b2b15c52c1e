// What is looked at, which is also the part of the address after the `#`.

const State = {
  defaults: {
    measure: "live_bytes",
    width: "change",
    shape: "icicle",
    direction: "callers",
    frames: "functions",
    depth: "10",
    cutoff: "0",
    root: "", // a function, by its place
    zoom: "", // the keys of nodes from the root on
    stack: "",
    search: "",
    tab: "functions",
    sort: "", // a column; with a `-`, the lowest first
    source: "", // a function, by its place
    line: "",
  },
  now: {},
  // Called with what has changed.
  listeners: [],

  // What a report without bytes alive is better measured by, for one.
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

  // Changes what is looked at. Going back leads to before a step, but not to before a
  // letter of a search.
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

  // A place in a list of `count`, or -1.
  place(value, count) {
    const place = /^\d+$/.test(value) ? Number(value) : -1;
    return place < count ? place : -1;
  },
};
