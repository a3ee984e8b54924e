/* Forward mode on a page of single numbers: each stands with its slope along one input, as value + slope·ε. */
if (isLive && isScalar) el('level').before(element('button', { id: 'dual', type: 'button', textContent: say`Forward mode` }));
const tangentOf = key => N.seed[key]?.[0] ?? N.tangent(key)?.[0] ?? 0;
const tangentSaid = key => { const slope = tangentOf(key); return `${slope < 0 ? '\u2212' : '+'} ${brief(abs(slope), 3)}·ε`; };
function follow(key) {
  S.dual = key;
  for (const k in N.seed) N.seed[k][0] = +(k === key);
  N.run();
  toggle(el('dual'), !!key);
  S.seen = true;
  draw();
}
if (el('dual')) listen(el('dual'), 'click', () => follow(S.dual ? null : (trained[0] ?? [...cards.values()].find(c => N.seed[c.k])).k));
listen(stage, 'click', e => { const key = keyOf(e.target.closest('.num[data-id]')?.dataset.id ?? ''); if (S.dual && N.seed[key]) follow(key); });
function aboutDual() {
  const { s } = cards.get(S.dual), slope = tangentOf(D.end), same = near(slope, gradientOf(`${S.dual}.0`) ?? NaN);
  const checked = same ? say`✓ The backward pass brings the same number to ${esc(s)}.` : '';
  const so = `<b>${esc(by(s))} = ${brief(slope)}</b>`;
  return { kick: say`Forward mode`, head: say`${esc(s)} + ε: every number moves with it`, body: isPhone() ? `<p>${so} ${checked}</p>` : `<p>${say`Beneath each number stands its slope along ${esc(s)}: it goes down through the gears, and where edges meet, slopes add up. At ${L()} it is ${so}.`} ${checked}</p><p>${say`Press another input to follow it.`}</p>` };
}
