/* Beside the stage: the sentence that follows the reader, the output as one number is turned, and which number should change most. */
const words = el('say'), ranking = el('rank'), picture = new Plot(el('plot'), 320, 260, [22, 56, 22, 46]);
const g = said => `<span class="g">${said}</span>`, v = said => `<span class="v">${said}</span>`;
const button = (act, said, kind = '') => `<button type="button" data-do="${act}" class="${kind}">${said}</button>`;
const L = () => esc(END.s);

function beside(frame) {
  const said = sentence(frame), sayings = `${said.kick ? `<p class="kick ${said.back ? 'b' : ''}">${said.kick}</p>` : ''}<h2>${said.head}</h2>${said.body}`;
  if (words.said !== sayings) {
    words.said = sayings;
    fill(words, sayings);
    if (!frame.on && !S.wave) tell(el('live'), words.textContent);
  }
  document.body.classList.toggle('asking', !S.seen && !!D.ask && !frame.know.act);
  document.body.classList.toggle('rest', S.seen && !frame.on && !frame.know.act && !S.wave);
  if (isLive) { rank(frame); drawPlot(frame); }
}
const bars = rows => {
  const wide = widths(rows.map(([, , x]) => x));
  return `<div class="pa">${rows.map(([kind, name, x], i) => `<span>${name}</span><i class="${kind}" style="width:${wide[i]}"></i><b class="${kind}">${signed(x)}</b>`).join('')}</div>`;
};

/* ---------------------------------------------------------------- the sentence */

function sentence(frame) {
  const { know, on, h } = frame, phone = isPhone(), ask = D.ask;
  if (know.act) return aboutStep(know.act);
  if (!S.seen && ask) {
    const name = esc(nameOf(ask.id)), from = valueOf(ask.id), turn = S.guess === null ? say`Turn ${name}` : say`Turn ${name} and see`;
    const body = phone ? `<p>${say`Drag ${L()}, or the ring, to your guess. The gears are a hint.`}</p>`
      : `<p>${say`${L()} is ${brief(valueOf(`${D.end}.0`))} now. Drag the ring below, or ${L()} itself, to where you think it goes. Each gear <b>×ratio</b> turns what passes through it.`}</p><div class="row">${button('turn', turn, 'main')}${button('skip', say`skip: show everything`, 'link')}</div>`;
    return { kick: phone ? '' : say`Before you look`, head: say`You turn ${name} from ${brief(from)} to ${brief(from + ask.by)}. How far does ${L()} move?`, body };
  }
  if (S.wave) {
    const up = S.wave.down >= plan.rows - 1;
    return up ? { kick: say`Gradients climb back`, back: 1, head: say`The same gears, the other way round`, body: `<p>${say`From the 1 at ${L()} upwards, each gear multiplies again. What arrives at a number is its gradient.`}</p>` }
      : { kick: say`The turn runs down`, head: say`${esc(nameOf(S.moved))} ${signed(h)}, gear by gear`, body: `<p>${say`Each gear multiplies the change by its ratio.`}</p>` };
  }
  if (on) return aboutMove(h);
  if (isByNeurons) return ledger();
  if (S.dual) return aboutDual();
  if (S.chosen) {
    const id = S.chosen, slope = gradientOf(id), card = cards.get(keyOf(id));
    return { kick: card.size > 1 ? say`one of ${card.size} numbers` : TAGS()[card.r], head: esc(nameOf(id)), body: `<p><span id="picked"></span> ${slope === undefined ? '' : g(`${esc(by(nameOf(id)))} = ${brief(slope)}`)}</p>` };
  }
  if (!isLive) return { kick: say`As recorded`, head: say`Values run down, gradients climb back`, body: `<p>${D.reason && !phone ? esc(D.reason) : say`Walk through the steps with ← and →.`} ${confirmed()}</p>${D.notice ? `<p>${esc(D.notice)}</p>` : ''}` };
  return { kick: say`Everything can be moved`, head: say`Drag any number, any way`, body: `<p>${phone ? say`Every change runs down the gears; every gradient climbs back up.` : say`Or type, or use the arrow keys. Hold one in the middle to see what its own gradient means. <b>← →</b> walks through the steps.`}</p>${phone ? '' : `<p class="ok">${confirmed()}</p>`}${D.notice ? `<p>${esc(D.notice)}</p>` : ''}${phone || !ask ? '' : `<div class="row">${button('again', say`Ask me again`)}</div>`}` };
}
function confirmed() {
  const found = [...verdicts.values()], wrong = found.filter(x => x === 'wrong').length, right = found.filter(x => x === 'right').length, kinks = found.filter(x => x === 'kink').length;
  if (!found.length) return '';
  if (wrong) return `<b class="bad">${say`${wrong} of ${found.length} rules are WRONG: differences disagree with them. Their edges are red.`}</b>`;
  return (kinks ? say`Differences confirm ${right} of ${found.length} gradients; ${kinks} stand at a kink.` : say`Differences confirm ${right} of ${found.length} gradients.`);
}
function aboutMove(h) {
  const phone = isPhone(), id = S.moved, name = esc(nameOf(id)), from = S.past.value(keyOf(id))[entryOf(id)], L0 = S.past.value(D.end)[0], moved = valueOf(`${D.end}.0`) - L0;
  const slope = S.past.gradient(keyOf(id))?.[entryOf(id)], said = slope === undefined ? null : slope * h, ask = D.ask;
  const guess = ask && S.guess !== null && id === ask.id && near(h, ask.by) ? S.guess - L0 : null;
  const to = brief(from + h), head = !isFinite(moved) ? say`${name} ${brief(from)} → ${to}: ${L()} is ${brief(valueOf(`${D.end}.0`))}` : moved < 0 ? say`${name} ${brief(from)} → ${to}: ${L()} falls by ${brief(-moved, 3)}` : moved > 0 ? say`${name} ${brief(from)} → ${to}: ${L()} rises by ${brief(moved, 3)}` : say`${name} ${brief(from)} → ${to}: ${L()} stays`;
  const rows = [...(guess === null ? [] : [['bg', say`your guess`, guess]]), ...(said === null ? [] : [['bp', say`gradient × h`, said]]), ['ba', say`${L()} really moves`, moved]];
  const before = said === null ? '' : say`${g(`${esc(by(nameOf(id)))} = ${brief(slope)}`)} before the turn.`;
  const gap = said === null || !isFinite(moved) ? '' : abs(said - moved) <= .006 * abs(moved) ? say`They agree.` : say`They differ because ${L()} is curved; halve a small h and the gap becomes a quarter.`;
  return {
    kick: phone ? '' : cards.get(keyOf(id)).in ? say`You hold ${name} ${signed(h)} off` : `h = ${signed(h)}`, head,
    body: phone ? `<p>${name.length > 5 ? '' : before} ${said === null || name.length > 5 ? '' : say`Times h = ${signed(h)} it is ${g(signed(said))}.`} ${guess === null ? '' : say`You said ${signed(guess)}.`} ${gap}</p>`
      : `${bars(rows)}<p>${before} ${gap}</p><div class="row">${button('back', say`Back to ${brief(from)}`)}${ask ? button('again', say`ask me again`, 'link') : ''}</div>`,
  };
}
/* of a loop, whose formula is that of a step, the equations of its states, by its gates */
const statesOf = card => card.f.split('; ').filter(s => s.includes('[t] ='));
/* the formula of an operation in the names of its operands */
const formulaOf = card => card.f.replace(/(\(?)([\ue000-\ue00b])(\)?)/gu, (_, open, mark, close) => {
  const { n } = cards.get([...new Set(card.in.map(use => use.tail))][mark.codePointAt(0) - 0xe000]), isBare = isWhole(n) || card.f === mark || (open && close);
  return open + (isBare ? n : `(${n})`) + close;
});
function aboutStep(act) {
  const { steps } = plan, at = steps.indexOf(act), downs = steps.filter(s => s.down).length;
  if (act.down) {
    const b = act.down, card = cardOf(b), one = isScalar && b.ops.length === 1 && !b.own.length, name = esc(card.s);
    const line = card.line ? `<p class="code">${esc(card.line)}</p>` : '', gears = one ? b.ins.map(e => say`${esc(cards.get(e.uses[0].tail).s)} <b>×${brief(gearOf(e))}</b>`).join(', ') : '';
    const how = one && card.f ? filledIn(card.f, [...new Set(card.in.map(use => use.tail))].map(k => N.value(k)[0])) : b.ops.map(k => cards.get(k)).slice(0, isPhone() ? 1 : 4).map(c => c.f ? c.f.includes('; ') ? (isPhone() ? statesOf(c) : c.f.split('; ')).map(esc).join('<br>') : c.f === c.s ? esc(c.s) : `${esc(c.s)} = ${esc(formulaOf(c))}` : esc(c.s)).join('<br>');
    return { kick: say`Forward ${at + 1} of ${downs}`, head: card.size === 1 ? `${esc(wholeName(b))} = ${brief(N.value(card.k)[0])}` : esc(wholeName(b)),
      body: `<p>${b.ops.length > 1 ? '' : `${esc(card.op)}: `}${one ? `${esc(how)} = ${v(brief(N.value(card.k)[0]))}` : how}.${gears ? ` ${b.ins.length > 1 ? say`Its gears: ${gears}.` : say`Its gear: ${gears}.`}` : ''}</p>${line}` };
  }
  if (act.seed) return { kick: say`Backward, the start`, back: 1, head: say`${L()} against itself: 1`, body: `<p>${say`If ${L()} moves by h, ${L()} moves by h. So ${g(`${esc(by(END.s))} = 1`)}, and the way back begins.`}</p>` };
  const kick = say`Backward ${at - downs} of ${steps.length - downs - 1}`, [e] = act.edges;
  if (act.edges.length === 1 && gearOf(e) !== undefined && isScalar) {
    const up = N.gradient(act.up.ops.at(-1))[0], ratio = gearOf(e), tail = cards.get(e.uses[0].tail), name = esc(tail.s), sent = addedBy(e), streams = streamsOf(e.from);
    const place = streams.filter(s => steps.findIndex(t => t.edges?.includes(s)) <= at).length;
    return { kick, back: 1, head: say`${brief(up)} through the gear ×${brief(ratio)}`,
      body: `<p>${isPhone() ? `${g(`${inBrackets(up)} × ${inBrackets(ratio)} = ${brief(sent)}`)}.` : say`The same gear that turned ${name} on the way down turns the gradient on the way up: ${g(`${inBrackets(up)} × ${inBrackets(ratio)} = ${brief(sent)}`)}.`}${streams.length > 1 ? ` ${say`${name} is used ${streams.length} times; this is stream ${place}, and streams add up.`}` : ''} ${isPhone() ? '' : verdictOf(e)}</p>` };
  }
  const b = act.up, lines = b.ops.flatMap(k => cards.get(k).in).filter(use => use.passes && use.text).slice(0, 6).map(use => `${g(esc(by(cards.get(use.tail).s)))}: ${esc(use.text.replaceAll('\ue00c', by(cards.get(use.head).s)))}`);
  return { kick, back: 1, head: say`Back through ${esc(titleOf(b))}`, body: `<p>${say`The gradient that arrives: ${g(esc(by(cardOf(b).s)))}.`} ${b.ops.length > 4 || isPhone() ? '' : `${say`Each operand gets:`}</p><p>${lines.join('<br>')}`}</p>` };
}
function verdictOf(e) {
  const found = verdicts.get(e.uses[0].id);
  return found === 'right' ? say`A difference confirms it.` : found === 'wrong' ? `<b class="bad">${say`WRONG: a difference disagrees.`}</b>` : found === 'kink' ? say`Here is a kink: slopes from the left and from the right differ.` : '';
}

/* ---------------------------------------------------------------- which number */

/* where the gradient of a value becomes 0 */
function stopped(key) {
  const uses = cards.get(key).uses.filter(use => use.passes), dead = uses.find(use => sizeNow(N.gradient(use.head)) && !sizeNow(N.sent(use.id)));
  if (dead) return say`the way into ${esc(cards.get(dead.head).s)} multiplies by 0`;
  return uses.length && !uses.some(use => sizeNow(N.sent(use.id))) ? stopped(uses[0].head) : say`what comes back to ${esc(cards.get(key).s)} cancels`;
}
function rank(frame) {
  const phone = isPhone(), { on } = frame, hidden = !S.seen && S.step === null || S.wave, ask = D.ask;
  if (hidden || !trained.length) {
    const turn = ask && phone && !S.wave ? `<div class="row">${button('turn', S.guess === null ? say`Turn ${esc(nameOf(ask.id))}` : say`Turn ${esc(nameOf(ask.id))} and see`, 'main')}${button('skip', say`skip: show everything`, 'link')}</div>` : phone ? '' : `<div class="row">${say`After your guess.`}</div>`;
    return fill(ranking, trained.length ? `<h3>${countTrained > 4 ? say`Which one of ${countTrained} numbers should change most?` : say`Which one number should change most?`}</h3>${turn}` : '');
  }
  const L0 = valueOf(`${D.end}.0`), falls = steepest(phone ? 2 : innerWidth < 1100 ? 3 : 4).filter((id, i) => innerWidth > 1099 || i < (phone ? 1 : 2) || nameOf(id).length < 9).map(id => {
    const slope = gradientOf(id), d = -D.rate * slope;
    return { id, d, said: slope * d, fell: outputAt([id], [d]) - L0 };
  }).filter(f => isFinite(f.fell));
  if (!falls.length) return fill(ranking, '');
  if (!falls[0].said) return fill(ranking, `<h3>${say`No small turn changes ${L()}`}</h3><p>${say`Every gradient is 0: ${stopped(keyOf(falls[0].id))}.`}</p><div class="row">${button('reset', say`Reset`)}</div>`);
  const [top] = falls, most = max(...falls.map(f => max(abs(f.said), abs(f.fell)))) || 1, ties = falls.filter(f => near(f.said, top.said)), name = esc(nameOf(top.id)), now = valueOf(top.id);
  const then = top.fell <= 0 ? say`${name} ${brief(now, 3)} → ${brief(now + top.d, 3)} lowers ${L()} by ${brief(abs(top.fell), 3)}` : say`${name} ${brief(now, 3)} → ${brief(now + top.d, 3)} would raise ${L()} by ${brief(abs(top.fell), 3)}`;
  const head = countTrained === 1 ? say`One step of ${name}: ${then}` : ties.length > 1 ? phone ? then : say`${ties.slice(0, 2).map(f => esc(nameOf(f.id))).join(', ')} should change equally: ${then}` : phone && name.length > 9 ? then : say`${name} should change most: ${then}`;
  const rows = falls.map(f => `<span class="nm">${esc(nameOf(f.id))}</span><span class="tr"><i class="p" style="width:${(100 * abs(f.said) / most).toFixed(1)}%"></i><i class="a" style="width:${(100 * abs(f.fell) / most).toFixed(1)}%"></i></span><span>${brief(L0, 3)} → ${brief(L0 + f.fell, 3)}</span>`).join('');
  fill(ranking, `<h3>${head}</h3><div class="rk">${rows}</div><div class="row">${button('one', say`Step ${name}`, 'go')}${countTrained > 1 ? button('all', countTrained > 4 && name.length < 13 ? say`Step all ${countTrained}` : say`Step all`, 'go') : ''}${phone && on ? button('back', say`Back`) : ''}${button('reset', say`Reset`)}${phone || name.length > 12 ? '' : `<span>${say`rate ${short(D.rate)}`}</span>`}</div>`);
}

/* ---------------------------------------------------------------- the picture of one number */

const POINTS = 64;
let curve = { key: null };
function drawPlot({ on, h }) {
  const ask = D.ask, id = S.moved ?? ask?.id, svg = el('plot'), isHidden = !id || (!on && S.seen && (S.chosen || isByNeurons));
  document.body.classList.toggle('noplot', isHidden);
  picture.count = 0;
  if (isHidden) return picture.end();
  const from = S.moved ? S.past.value(keyOf(id))[entryOf(id)] : valueOf(id), L0 = S.moved ? S.past.value(D.end)[0] : valueOf(`${D.end}.0`), isSeen = S.seen && !(S.wave && S.wave.down < plan.rows - 1);
  const step = S.seen ? h : ask?.by ?? h, span = max(ask && id === ask.id ? ask.span : max(1, abs(from)), abs(step) * 1.6), key = `${id} ${from} ${L0} ${span.toPrecision(2)} ${S.turn}`;
  if (isSeen && curve.key !== key) {
    const xs = Array.from({ length: POINTS + 1 }, (_, i) => from - span + 2 * span * i / POINTS);
    curve = { key, points: outputAlong(id, xs).map((y, i) => [xs[i], y]) };
  }
  const points = isSeen ? curve.points.filter(([, y]) => drawable(y)) : [], range = ask?.range ?? 1;
  let [low, high] = isSeen && points.length ? [min(...points.map(p => p[1])), max(...points.map(p => p[1]))] : [L0 - range, L0 + range];
  const room = max((high - low) * .12, 1e-6 * abs(L0), 1e-290);
  if (isSeen) [low, high] = [low - room, high + room];
  const w = svg.clientWidth || 320, height = svg.clientHeight || 200, phone = isPhone();
  const left = max(50, ...ticks(low, high, 3).map(v => 8.5 * short(v).length));
  Object.assign(picture, { width: w, height, edge: phone ? [8, 58, 20, left] : [28, 60, 24, left] });
  attr(svg, { viewBox: `0 0 ${w} ${height}`, 'aria-label': say`${END.s} as ${nameOf(id)} alone changes` });
  picture.begin([from - span, from + span], [low, high]);
  if (!phone) picture.add('text', { x: 22, y: 14, class: 'headline' }, say`${END.s}, as ${nameOf(id)} alone is turned`);
  const slope = S.moved ? S.past.gradient(keyOf(id))?.[entryOf(id)] : gradientOf(id), to = from + step;
  if (isSeen) {
    picture.line(curve.points, 'line');
    if (slope !== undefined) {
      const reach = max(abs(step) * 1.25, span * .45), ends = [-1, 1].map(side => side * min(reach, slope ? (side * slope > 0 ? high - L0 : L0 - low) / abs(slope) : reach));
      picture.line(ends.map(by => [from + by, L0 + slope * by]), 'tangent');
    }
  }
  if (step || !isSeen) picture.add('path', { class: 'touched', d: `M${picture.x(to)} ${picture.edge[0]}V${height - picture.edge[2]}` });
  const dot = (x, y, kind, r = 6.5) => drawable(y) && picture.add('circle', { class: kind, cx: picture.x(x), cy: clamp(picture.y(y), -9, height + 9), r });
  dot(from, L0, step || !isSeen ? 'open' : 'full');
  S.unguess = null;
  if (!S.seen && ask) {
    const at = S.guess ?? L0;
    picture.add('path', { class: 'chord', d: `M${picture.x(from)} ${picture.y(L0)}L${picture.x(to)} ${picture.y(at)}` });
    dot(to, at, 'ring', 13);
    picture.add('text', { class: 'mark', x: picture.x(to) + 18, y: picture.y(at) + 5 }, S.guess === null ? say`drag` : brief(at, 3));
    S.unguess = y => high - (y - picture.edge[0]) / (height - picture.edge[0] - picture.edge[2]) * (high - low);
  } else if (step && isSeen) {
    if (S.guess !== null && ask && id === ask.id && near(step, ask.by)) { dot(to, S.guess, 'yours', 9); picture.add('text', { class: 'mark', x: picture.x(to) + 13, y: clamp(picture.y(S.guess) + 5, 12, height) }, say`you`); }
    const predicted = L0 + (slope ?? 0) * step;
    if (slope !== undefined && drawable(predicted)) picture.add('path', { class: 'diamond', d: `M${picture.x(to) - 6} ${clamp(picture.y(predicted), picture.edge[0], height - picture.edge[2])}l6 -6l6 6l-6 6z` });
    dot(to, valueOf(`${D.end}.0`), 'full');
  }
  picture.end();
}
