/* Numbers that can be dragged, and plots. */

/* ---------------------------------------------------------------- a number that can be dragged */

/* `place` can be dragged: `begin()` when the pointer goes down, then, once it has gone three pixels, `move(n, e, isFirst)`, `n` pixels further.
   `along(e)`: where a pointer is. */
function dragged(place, begin, move, along = e => e.clientX) {
  let start = null, far = false;
  listen(place, 'pointerdown', e => {
    if (e.button) return;
    [start, far] = [along(e), false];
    hold(place, e);
    begin();
    if (e.pointerType === 'mouse') e.preventDefault();
  });
  listen(place, 'pointermove', e => {
    if (start === null || (!far && abs(along(e) - start) < 3)) return;
    place.classList.add('held');
    move(along(e) - start, e, !far);
    far = true;
  });
  for (const end of ['pointerup', 'pointercancel', 'lostpointercapture'])
    listen(place, end, () => { start = null; place.classList.remove('held'); });
}
/* `place` becomes a spin button. `of`: `label`, a text or a function that gives it; `get()` and `set(v)`; `step` of a pixel (an arrow key moves ten of
   them), or `ratio`, the factor of a pixel; `low` and `high`; `reset()` for Escape; `chosen()` when it is picked up; `anyWay` if dragging
   upwards is more, too; `isFixed()` while it can't be changed.
   Gives the function that shows the present value. */
function draggable(place, of) {
  const { step = .01, ratio = 0, low = -1e150, high = 1e150 } = of;
  const put = v => { if (isFinite(v) && !of.isFixed?.()) of.set(clamp(v, low, high)); };
  const label = () => typeof of.label === 'function' ? of.label() : of.label;
  const scale = e => e.shiftKey ? 10 : e.altKey ? .1 : 1;
  /* `n` pixels from `v`; rounded, so that a number stays readable */
  function moved(v, n, by) {
    if (ratio) return +(v * ratio ** (n * by)).toPrecision(3);
    const grain = step * min(1, by);
    return +(round((v + n * step * by) / grain) * grain).toFixed(max(0, ceil(-Math.log10(grain))));
  }
  place.classList.add('drag');
  attr(place, { role: 'spinbutton' });
  place.tabIndex = 0;
  let from = 0;
  const begin = () => { from = of.get(); place.focus({ preventScroll: true }); };
  dragged(place, begin, (n, e) => put(moved(from, n, scale(e))), e => e.clientX - (of.anyWay ? e.clientY : 0));
  listen(place, 'dblclick', () => type());
  listen(place, 'focus', () => of.chosen?.());
  listen(place, 'keydown', e => {
    if (e.ctrlKey || e.metaKey) return;
    const n = { ArrowRight: 10, ArrowUp: 10, ArrowLeft: -10, ArrowDown: -10, PageUp: 100, PageDown: -100 }[e.key];
    if (n !== undefined) put(moved(of.get(), n, scale(e)));
    else if (/^(Delete|Backspace)$/.test(e.key) && low <= 0) put(0);
    else if (e.key === 'Escape' && of.reset) of.reset();
    else if (e.key === 'Enter') type();
    else if (/^[-.\d]$/.test(e.key)) type(e.key);
    else return;
    e.preventDefault();
    e.stopPropagation();
  });
  /* a field in its place; Enter keeps what was typed, Escape does not */
  function type(first) {
    const field = element('input', { className: 'typed', inputMode: 'decimal', value: first ?? String(of.get()) });
    attr(field, { 'aria-label': label() });
    place.style.display = 'none';
    place.after(field);
    field.focus();
    if (first === undefined) field.select();
    let done = false;
    function end(keep) {
      if (done) return;
      done = true;
      const text = field.value.trim().replace(',', '.').replace('\u2212', '-');
      place.style.display = '';
      field.remove();
      if (keep && text !== '') put(Number(text));
      place.focus({ preventScroll: true });
    }
    listen(field, 'keydown', e => {
      if (e.key === 'Enter') end(true);
      if (e.key === 'Escape') end(false);
      e.stopPropagation();
    });
    listen(field, 'blur', () => end(true));
  }
  let last = '';
  return (text = scalar(of.get())) => {
    const known = `${label()} ${of.get()} ${text}`;
    if (known === last) return;
    last = known;
    tell(place, text);
    attr(place, { 'aria-label': label(), 'aria-valuenow': of.get(), 'aria-valuetext': text });
  };
}
/* ---------------------------------------------------------------- a plot */

function ticks(low, high, about = 4) {
  const rough = (high - low) / about || 1, ten = 10 ** floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find(m => m * ten >= rough * .999) * ten, found = [];
  for (let k = ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) found.push(+(k * step).toPrecision(10));
  return found;
}
/* whether a number can be drawn: the range of larger ones would overflow */
const drawable = y => abs(y) < 1e300;
class Plot {
  constructor(svg, width, height, edge = [8, 8, 20, 40]) {
    Object.assign(this, { svg, width, height, edge });  // edge: top, right, bottom, left
    attr(svg, { viewBox: `0 0 ${width} ${height}`, class: 'plot' });
  }
  /* with axes that reach from low to high; what stood behind them is drawn over, and removed by `end` */
  begin(x, y) {
    const [top, right, bottom, left] = this.edge, { width, height } = this;
    this.x = v => left + (v - x[0]) / (x[1] - x[0] || 1) * (width - left - right);
    this.y = v => top + (y[1] - v) / (y[1] - y[0] || 1) * (height - top - bottom);
    this.unX = p => x[0] + (p - left) / (width - left - right) * (x[1] - x[0]);
    this.count = 0;
    for (const v of ticks(...y, 3)) {
      this.add('path', { class: 'axis faint', d: `M${left},${this.y(v)}H${width - right}` });
      this.add('text', { x: left - 5, y: this.y(v) + 4, 'text-anchor': 'end' }, minus(short(v)));
    }
    for (const v of ticks(...x, 5)) this.add('text', { x: this.x(v), y: height - bottom + 15, 'text-anchor': 'middle' }, minus(short(v)));
    this.add('path', { class: 'axis', d: `M${left},${top}V${height - bottom}H${width - right}` });
    return this;
  }
  /* the next shape: the one that stood there before, if it is of this kind, with what differs */
  add(name, attributes, text = null) {
    const old = this.svg.children[this.count++];
    if (old?.nodeName !== name) {
      const made = Object.assign(shape(name, attributes, null, text), { of: attributes });
      if (old) old.replaceWith(made); else this.svg.append(made);
      return made;
    }
    for (const key in attributes) if (old.of[key] !== attributes[key]) old.setAttribute(key, attributes[key]);
    for (const key in old.of) if (!(key in attributes)) old.removeAttribute(key);
    if (text !== null && old.textContent !== text) old.textContent = text;
    return Object.assign(old, { of: attributes });
  }
  end() { while (this.svg.children.length > this.count) this.svg.lastChild.remove(); }
  /* a line through the points, with a gap where one is not finite */
  line(points, kind) {
    let d = '', down = false;
    for (const [x, y] of points) {
      if (drawable(y)) d += `${down ? 'L' : 'M'}${this.x(x).toFixed(1)},${clamp(this.y(y), -2000, 2000).toFixed(1)}`;
      down = drawable(y);
    }
    return this.add('path', { class: kind, d });
  }
}
