// The icicle chart: boxes in rows, each below its caller.

const Icicle = {
  row: 21,

  size(width, depth, _height) {
    return { width, height: depth * Icicle.row, narrowest: 1 / width };
  },

  trace(context, box, size, inset) {
    const x = box.from * size.width;
    const width = (box.to - box.from) * size.width;
    const gap = width > 3 ? 1 : 0;
    context.rect(x + inset, box.depth * Icicle.row + inset, Math.max(0.5, width - gap - 2 * inset), Icicle.row - 1 - 2 * inset);
  },

  label(context, box, size, text, value) {
    const width = (box.to - box.from) * size.width - 9;
    const letters = Math.floor(width / 6.7);
    if (letters < 3) return;
    const isLong = text.length > letters;
    let shown = isLong ? `${text.slice(0, letters - 1)}…` : text;
    if (!isLong && text.length + value.length + 2 <= letters) shown = `${text}  ${value}`;
    // The last argument squeezes text of scripts with wider letters.
    context.fillText(shown, box.from * size.width + 4, box.depth * Icicle.row + 14, width + 5);
  },

  at(boxes, size, x, y) {
    const depth = Math.floor(y / Icicle.row);
    const place = x / size.width;
    return boxes.find((box) => box.depth === depth && box.from <= place && place < box.to);
  },
};
