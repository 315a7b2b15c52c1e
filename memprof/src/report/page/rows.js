// A virtual list: only visible rows have elements, so that the list may be long.

class Rows {
  // `fill(element, place)` turns an element into the row at an index.
  constructor(scroll, fill) {
    this.scroll = scroll;
    this.body = scroll.querySelector(".rows");
    this.fill = fill;
    this.count = 0;
    this.pool = [];
    scroll.addEventListener("scroll", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(scroll);
  }

  // Browsers limit the height of an element.
  static get most() {
    return 700000;
  }

  show(count) {
    this.count = Math.min(count, Rows.most);
    this.body.style.height = `${this.count * Rows.height}px`;
    this.draw();
  }

  static get height() {
    return 21;
  }

  draw() {
    const head = this.body.offsetTop;
    const first = Math.max(0, Math.floor((this.scroll.scrollTop - head) / Rows.height));
    const end = Math.min(this.count, first + Math.ceil(this.scroll.clientHeight / Rows.height) + 2);
    while (this.pool.length < end - first) {
      const element = document.createElement("div");
      element.className = "row";
      this.pool.push(element);
      this.body.append(element);
    }
    this.pool.forEach((element, at) => {
      element.hidden = first + at >= end;
      if (element.hidden) return;
      element.style.top = `${(first + at) * Rows.height}px`;
      this.fill(element, first + at);
    });
  }

  // Scrolls a row into view.
  reveal(place) {
    const top = place * Rows.height;
    const { scrollTop, clientHeight } = this.scroll;
    if (top < scrollTop || top + 3 * Rows.height > scrollTop + clientHeight) this.scroll.scrollTop = top - clientHeight / 3;
  }

  // The class of a change.
  static sign(change) {
    if (change > 0) return " more";
    return change < 0 ? " less" : "";
  }

  // A cell with text on top of a bar that takes `share` of the cell's width.
  static cell(text, name, share) {
    const cell = document.createElement("span");
    cell.className = name;
    cell.textContent = text;
    if (share > 0) {
      const bar = document.createElement("i");
      bar.className = "bar";
      bar.style.width = `${100 * Math.min(1, share)}%`;
      cell.append(bar);
    }
    return cell;
  }
}
