// The sunburst chart: boxes in rings, each outside of its caller.

const Sunburst = {
  size(width, depth, height) {
    const side = Math.max(260, Math.min(width, height - 4));
    const ring = (side / 2 - 2) / (depth + 0.5);
    return { width: side, height: side, ring, narrowest: 1 / (Math.PI * side) };
  },

  radii(box, size) {
    if (box.depth === 0) return [0, size.ring * 1.5];
    return [size.ring * (box.depth + 0.5), size.ring * (box.depth + 1.5) - 1];
  },

  trace(context, box, size, inset) {
    const middle = size.width / 2;
    const [inner, outer] = Sunburst.radii(box, size);
    const [from, to] = [box.from, box.to].map((place) => (place * 2 - 0.5) * Math.PI);
    if (box.depth === 0) {
      context.moveTo(middle + outer - inset, middle);
      context.arc(middle, middle, Math.max(1, outer - 1 - inset), 0, 2 * Math.PI);
      return;
    }
    const gap = Math.min(0.5 / inner, (to - from) / 4);
    context.moveTo(middle + (inner + inset) * Math.cos(from + gap), middle + (inner + inset) * Math.sin(from + gap));
    context.arc(middle, middle, Math.max(1, outer - inset), from + gap, to - gap);
    context.arc(middle, middle, inner + inset, to - gap, from + gap, true);
    context.closePath();
  },

  // Writes along the ring if the box is longer in that direction, else outwards.
  label(context, box, size, text) {
    const [inner, outer] = Sunburst.radii(box, size);
    const middle = size.width / 2;
    const angle = (box.from + box.to - 0.5) * Math.PI;
    const radius = (inner + outer) / 2;
    const arc = box.depth === 0 ? 1.7 * outer : 0.9 * (box.to - box.from) * 2 * Math.PI * radius;
    const isAlong = box.depth === 0 || (arc > outer - inner && box.to - box.from < 0.4);
    const [long, high] = isAlong ? [arc, outer - inner] : [outer - inner - 6, arc];
    const letters = Math.floor(long / 6.7);
    if (letters < 4 || high < 13) return;
    context.save();
    context.translate(middle, middle);
    if (box.depth > 0) {
      context.rotate(angle);
      context.translate(radius, 0);
      const isBelow = Math.sin(angle) > 0;
      if (isAlong) context.rotate(isBelow ? -Math.PI / 2 : Math.PI / 2);
      else if (Math.cos(angle) < 0) context.rotate(Math.PI);
    }
    context.textAlign = "center";
    context.fillText(text.length > letters ? `${text.slice(0, letters - 1)}…` : text, 0, 4, long);
    context.restore();
  },

  at(boxes, size, x, y) {
    const [right, down] = [x - size.width / 2, y - size.height / 2];
    const radius = Math.hypot(right, down) / size.ring;
    const depth = radius < 1.5 ? 0 : Math.floor(radius - 0.5);
    const place = (Math.atan2(down, right) / (2 * Math.PI) + 1.25) % 1;
    return boxes.find((box) => box.depth === depth && box.from <= place && place < box.to);
  },
};
