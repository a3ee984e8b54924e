/* Pictures and sentences come from Python; only the pad computes here, in `pad.js`. */
const D = JSON.parse(el('data').textContent);

/* ---------------------------------------------------------------- one digit, neuron by neuron */

const choices = all('#choose button');
let chosen = 0;
function choose(i) {
  chosen = i;
  choices.forEach((b, k) => b.setAttribute('aria-pressed', k === i));
  all('.neurons').forEach((f, k) => { f.hidden = k !== i; });
  widths();
}
choices.forEach((b, i) => { b.onclick = () => choose(i); });

/* ---------------------------------------------------------------- small pictures */

/* one path for each step of the ramp */
const [rows, columns] = D.shape, [lowest, highest] = D.range;
const levelOf = v => clamp(round(6 * (v - lowest) / (highest - lowest)), 0, 6) || 0;
for (const svg of all('[data-ink]')) {
  const places = Array(7).fill('');
  unpacked(D.samples[svg.dataset.ink].x, Float32Array).forEach((v, i) => { places[levelOf(v)] += `M${i % columns} ${floor(i / columns)}h1v1h-1z`; });
  attr(svg, { viewBox: `0 0 ${columns} ${rows}` });
  places.forEach((d, level) => shape('path', { d, style: `fill:var(--v${level})` }, svg));
}

/* ---------------------------------------------------------------- the pad, and the colours */

const repaint = D.network ? pad() : () => {}, frame = document.querySelector('iframe');
function follow() {
  repaint();
  frame?.contentWindow.postMessage({ theme: isDark() ? 'dark' : 'light' }, '*');
}
if (frame) frame.onload = follow;
theme(el('theme'), follow);
/* a figure that is wider than its place says so */
function widths() { all('.scroll').forEach(place => place.classList.toggle('over', place.scrollWidth > place.clientWidth + 1)); }
addEventListener('resize', widths);
widths();
if (D.network) onPaper(repaint);
