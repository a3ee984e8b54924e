/* As the training data: cropped to the ink, the longer side scaled to fill the picture, the other one centred. The
   filter is Lanczos', in whole numbers as imaging libraries compute it (22 bits for its weights, 8 for the picture). */
const BITS = 2 ** 22, DARK = 102;
function weights(from, to) {
  const lanczos = t => {
    const s = v => v === 0 ? 1 : Math.sin(Math.PI * v) / (Math.PI * v);
    return t >= -3 && t < 3 ? s(t) * s(t / 3) : 0;
  };
  const step = from / to, wide = Math.max(1, step);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + .5) * step, start = Math.max(0, Math.trunc(centre - 3 * wide + .5));
    const end = Math.min(from, Math.trunc(centre + 3 * wide + .5)), k = [];
    for (let j = start; j < end; j++) k.push(lanczos((j - centre + .5) / wide));
    const sum = k.reduce((s, v) => s + v, 0);
    return [start, k.map(v => Math.sign(v) * Math.round(Math.abs(v / sum) * BITS))];
  });
}
const byte = v => Math.max(0, Math.min(255, Math.floor((BITS / 2 + v) / BITS)));
function resized(rows, height, width) {
  const across = weights(rows[0].length, width), down = weights(rows.length, height);
  const flat = rows.map(r => across.map(([start, k]) => byte(k.reduce((s, v, j) => s + v * r[start + j], 0))));
  return down.map(([start, k]) => flat[0].map((_, x) => byte(k.reduce((s, v, j) => s + v * flat[start + j][x], 0))));
}
/* ink: side * side of 0 and 1; gives the same kind */
function prepared(ink, side) {
  const ys = [], xs = [], made = new Float32Array(side * side);
  ink.forEach((v, i) => { if (v) { ys.push(Math.floor(i / side)); xs.push(i % side); } });
  if (!ys.length) return made;
  const top = Math.min(...ys), left = Math.min(...xs), h = Math.max(...ys) - top + 1, w = Math.max(...xs) - left + 1;
  const rows = Array.from({ length: h }, (_, y) => Array.from({ length: w }, (_, x) =>
    ink[(top + y) * side + left + x] ? 255 : 0));
  const scale = side / Math.max(h, w), height = Math.max(1, Math.round(h * scale)), width = Math.max(1, Math.round(w * scale));
  const y0 = Math.floor((side - height) / 2), x0 = Math.floor((side - width) / 2);
  resized(rows, height, width).forEach((r, y) => r.forEach((v, x) => { made[(y0 + y) * side + x0 + x] = v > DARK ? 1 : 0; }));
  return made;
}
