// The call tree for one quantity. A node is a function or a line on one call path; its children are
// computed when it is first shown.
//
// Calls that look the same form one node, so a node is a set of calls. Nothing is divided or
// estimated: the numbers of a node are the sum of those recorded for its calls.

class TreeNode {
  // `line` is -1 if the node is a function; `function` is -1, too, if it is neither.
  constructor(parent, kind, func, line) {
    this.parent = parent;
    this.kind = kind;
    this.function = func;
    this.line = line;
    this.weight = 0;
    this.before = 0;
    this.after = 0;
    this.calls = []; // the calls of the node, as recorded
    this.origins = []; // inverted: the calls or rows that allocated,
    this.cursors = []; // and for each, the call on its path that is at this node
    this.values = null;
    this.children = null;
  }

  // Identifies the node among its siblings.
  get key() {
    if (this.kind === "untracked") return "u";
    if (this.kind === "rest") return `r${this.first}-${this.end}`;
    return String(this.line >= 0 ? this.line : this.function);
  }

  name() {
    if (this.kind === "root") return "everything";
    if (this.kind === "untracked") return "outside of profiled functions";
    if (this.kind === "rest") return `${Units.grouped(this.children.length)} more`;
    const name = Data.names[this.function];
    return this.line >= 0 ? `${name}:${Tree.lineNumber[this.line]}` : name;
  }

  // The nodes from the root to this one.
  path() {
    const path = [];
    for (let node = this; node; node = node.parent) path.push(node);
    return path.reverse();
  }
}

const Tree = {
  lineNumber: null,
  // The calls grouped by caller; those without a caller come first.
  childStart: null,
  childCalls: null,
  callsOf: new Map(),

  prepare(lineNumbers) {
    Tree.lineNumber = lineNumbers.after.map((number, line) => number || lineNumbers.before[line]);
    const count = Data.callCount;
    const sizes = new Int32Array(count + 1);
    for (let call = 0; call < count; call += 1) sizes[Data.callCaller[call] + 1] += 1;
    Tree.childStart = Data.starts(sizes);
    const next = Tree.childStart.slice();
    Tree.childCalls = new Int32Array(count);
    for (let call = 0; call < count; call += 1) Tree.childCalls[next[Data.callCaller[call] + 1]++] = call;
  },

  // The numbers of `quantity` for each row and each call. `width` says whether the width of a box
  // is the number before, the number after, or the change.
  async measured(quantity, width) {
    if (quantity.kind === "ns" && !Data.isTimeSampled) {
      if (!Data.hasTimeOfCalls) return { flat: Tree.weighed(await Data.sides(`functions.${quantity.key}`), width) };
      // Times are known for calls, but not for their lines.
      const none = (count) => Tree.weighed({ before: new Float64Array(count), after: new Float64Array(count) }, width);
      const own = Tree.weighed(await Data.sides(`calls.${quantity.key}`), width);
      return { rows: none(Data.rowLine.length), process: none(2), own, inclusive: Tree.withCallees(own) };
    }
    const [rows, process] = await Promise.all([Data.sides(`rows.${quantity.key}`), Data.sides(`process.${quantity.key}`)]);
    const measured = { rows: Tree.weighed(rows, width), process: Tree.weighed(process, width) };
    measured.own = Tree.sums(measured.rows);
    measured.inclusive = Tree.withCallees(measured.own);
    return measured;
  },

  weighed({ before, after }, width) {
    const weight = new Float64Array(after.length);
    for (let at = 0; at < weight.length; at += 1) {
      if (!Data.hasBefore || width === "after") weight[at] = Math.max(0, after[at]);
      else if (width === "before") weight[at] = Math.max(0, before[at]);
      else weight[at] = Math.abs(after[at] - before[at]);
    }
    return { weight, before, after };
  },

  // The sum over the rows of each call.
  sums(rows) {
    return Tree.eachSide((numbers, side) => {
      for (let call = 0; call < Data.callCount; call += 1) {
        for (let row = Data.rowStart[call]; row < Data.rowStart[call + 1]; row += 1) numbers[call] += rows[side][row];
      }
    });
  },

  withCallees(own) {
    return Tree.eachSide((numbers, side) => {
      numbers.set(own[side]);
      // A call comes after its caller.
      for (let call = Data.callCount - 1; call >= 0; call -= 1) {
        const caller = Data.callCaller[call];
        if (caller >= 0) numbers[caller] += numbers[call];
      }
    });
  },

  eachSide(fill) {
    const sides = {};
    for (const side of ["weight", "before", "after"]) {
      sides[side] = new Float64Array(Data.callCount);
      if (side !== "before" || Data.hasBefore) fill(sides[side], side);
    }
    return sides;
  },

  add(node, values, at) {
    node.weight += values.weight[at];
    node.before += values.before[at];
    node.after += values.after[at];
  },

  // A tree that starts with all calls without callers, or with all calls of a function.
  grown(measured, isInverted, byLine, func) {
    const tree = { measured, isInverted, byLine };
    const root = new TreeNode(null, func >= 0 ? "frame" : "root", func, -1);
    tree.root = root;
    if (measured.flat) {
      const functions = func >= 0 ? [func] : measured.flat.weight.keys();
      for (const of of functions) Tree.add(root, measured.flat, of);
      root.children = func >= 0 ? [] : Tree.sorted(Tree.flat(root, measured.flat));
      return tree;
    }
    root.calls = func >= 0 ? Tree.calls(func) : Tree.childCalls.subarray(0, Tree.childStart[1]);
    for (const call of root.calls) Tree.add(root, measured.inclusive, call);
    if (func >= 0) {
      root.origins = root.calls;
      root.cursors = root.calls;
      root.values = measured.inclusive;
    } else {
      Tree.add(root, measured.process, 1);
    }
    return tree;
  },

  // All calls of a function. None is nested in another, since no function is on a call path twice.
  calls(func) {
    if (!Tree.callsOf.has(func)) {
      const calls = [];
      for (let call = 0; call < Data.callCount; call += 1) if (Data.callFunction[call] === func) calls.push(call);
      Tree.callsOf.set(func, calls);
    }
    return Tree.callsOf.get(func);
  },

  flat(root, values) {
    const nodes = [];
    for (let func = 0; func < values.weight.length; func += 1) {
      const node = new TreeNode(root, "frame", func, -1);
      Tree.add(node, values, func);
      node.children = [];
      nodes.push(node);
    }
    return nodes;
  },

  children(tree, node) {
    if (node.children) return node.children;
    if (tree.measured.flat) return (node.children = []);
    const groups = new Map();
    const group = (key, func, line) => {
      let child = groups.get(key);
      if (!child) {
        child = new TreeNode(node, "frame", func, line);
        groups.set(key, child);
      }
      return child;
    };
    if (tree.isInverted) Tree.callers(tree, node, group);
    else Tree.callees(tree, node, group);
    if (node.kind === "root") {
      const untracked = new TreeNode(node, "untracked", -1, -1);
      Tree.add(untracked, tree.measured.process, 1);
      untracked.children = [];
      groups.set("u", untracked);
    }
    node.children = Tree.sorted([...groups.values()]);
    return node.children;
  },

  callees(tree, node, group) {
    const { inclusive, rows } = tree.measured;
    const within = (call) => {
      const func = Data.callFunction[call];
      if (!tree.byLine) {
        const child = group(func, func, -1);
        child.calls.push(call);
        Tree.add(child, inclusive, call);
        return;
      }
      const add = (line, values, at) => {
        const child = group(line, func, line);
        if (child.calls[child.calls.length - 1] !== call) child.calls.push(call);
        Tree.add(child, values, at);
      };
      for (let row = Data.rowStart[call]; row < Data.rowStart[call + 1]; row += 1) add(Data.rowLine[row], rows, row);
      for (let at = Tree.childStart[call + 1]; at < Tree.childStart[call + 2]; at += 1) {
        const callee = Tree.childCalls[at];
        add(Data.callLine[callee], inclusive, callee);
      }
    };
    // If the root of a tree by line is a function, its children are the function's lines.
    if (tree.byLine && node.kind === "frame" && node.line < 0) {
      node.calls.forEach(within);
      return;
    }
    const callers = node.kind === "root" ? [-1] : node.calls;
    for (const caller of callers) {
      for (let at = Tree.childStart[caller + 1]; at < Tree.childStart[caller + 2]; at += 1) {
        const call = Tree.childCalls[at];
        if (node.line < 0 || Data.callLine[call] === node.line) within(call);
      }
    }
  },

  callers(tree, node, group) {
    const { own, rows } = tree.measured;
    const follow = (values, origin, cursor, line) => {
      const func = Data.callFunction[cursor];
      const child = tree.byLine ? group(line, func, line) : group(func, func, -1);
      child.values = values;
      child.origins.push(origin);
      child.cursors.push(cursor);
      Tree.add(child, values, origin);
    };
    if (node.kind === "root") {
      for (let call = 0; call < Data.callCount; call += 1) {
        if (!tree.byLine) {
          if (own.weight[call]) follow(own, call, call, -1);
          continue;
        }
        for (let row = Data.rowStart[call]; row < Data.rowStart[call + 1]; row += 1) {
          if (rows.weight[row]) follow(rows, row, call, Data.rowLine[row]);
        }
      }
      return;
    }
    for (let at = 0; at < node.origins.length; at += 1) {
      const cursor = node.cursors[at];
      const caller = Data.callCaller[cursor];
      if (caller >= 0) follow(node.values, node.origins[at], caller, Data.callLine[cursor]);
    }
  },

  sorted(nodes) {
    return nodes.filter((node) => node.weight > 0).sort((a, b) => b.weight - a.weight || a.function - b.function || a.line - b.line);
  },

  // The node that a list of keys leads to, or the last one on the way that exists.
  find(tree, keys) {
    let node = tree.root;
    for (const key of keys) {
      const children = Tree.children(tree, node);
      const next = key[0] === "r" ? Tree.rest(node, ...key.slice(1).split("-").map(Number)) : children.find((child) => child.key === key);
      if (!next) break;
      node = next;
    }
    return node;
  },

  // One node for the children of a node from `first` up to `end`.
  rest(parent, first, end) {
    const children = parent.children.slice(first, end);
    if (children.length === 0) return null;
    const node = new TreeNode(parent, "rest", -1, -1);
    node.first = first;
    node.end = end;
    node.children = children;
    for (const child of children) {
      node.weight += child.weight;
      node.before += child.before;
      node.after += child.after;
    }
    return node;
  },

  // The boxes to draw from `top` down: nodes with their positions from 0 to 1, and their depth.
  // Nodes narrower than `narrowest` are combined into one box. Nodes with no more than the share
  // `cutoff` of the top are left out.
  layout(tree, top, depth, cutoff, narrowest) {
    const boxes = [];
    const open = [{ node: top, from: 0, to: 1, depth: 0 }];
    while (open.length) {
      const box = open.pop();
      boxes.push(box);
      if (box.depth + 1 >= depth || !(box.node.weight > 0)) continue;
      let from = box.from;
      for (const node of Tree.shown(tree, box.node, top.weight, cutoff, narrowest)) {
        const to = from + node.weight / top.weight;
        const next = { node, from, to, depth: box.depth + 1 };
        if (node.kind === "rest") boxes.push(next);
        else open.push(next);
        from = to;
      }
    }
    return boxes;
  },

  shown(tree, node, whole, cutoff, narrowest) {
    const children = Tree.children(tree, node);
    let end = 0;
    while (end < children.length && children[end].weight > cutoff * whole) end += 1;
    let wide = 0;
    while (wide < end && children[wide].weight >= narrowest * whole) wide += 1;
    const shown = children.slice(0, wide);
    if (end - wide === 1) shown.push(children[wide]);
    if (end - wide <= 1) return shown;
    // Splits a combined node into pieces if all its nodes are still too narrow after zooming in.
    const pieces = wide === 0 && node.kind === "rest" ? Math.min(40, end) : 1;
    for (let piece = 0; piece < pieces; piece += 1) {
      const [first, next] = [piece, piece + 1].map((at) => wide + Math.floor(((end - wide) * at) / pieces));
      const rest = next - first === 1 ? children[first] : Tree.rest(node, first, next);
      if (rest.weight >= (narrowest * whole) / 2) shown.push(rest);
    }
    return shown;
  },
};
