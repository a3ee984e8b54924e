"""`FUNCTIONS`: the text of functions that JavaScript's ``Math`` lacks. A script includes those that it needs.

Formulas of the error function: NIST Digital Library of Mathematical Functions (DLMF), by section.
"""

from __future__ import annotations

FUNCTIONS: dict[str, str] = {
    "bytes": """
const $bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
""",
    # As in NumPy 1 to the power of NaN, and 1 or -1 to the power of an infinity, are 1.
    "power": """
const $power = (x, y) => x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : x ** y;
""",
    "logaddexp": """
const $logaddexp = (x, y) =>
  x === y ? x + Math.LN2 : x > y ? x + Math.log1p(Math.exp(y - x)) : y + Math.log1p(Math.exp(x - y));
""",
    "round": """
function $round(x) {  // half to even
  const near = Math.round(x);
  return near - x === 0.5 && near % 2 !== 0 ? near - 1 : near;
}
""",
    "remainder": """
function $remainder(x, y) {  // with the sign of y
  const rest = x % y;
  if (rest !== 0) return (rest < 0) !== (y < 0) ? rest + y : rest;
  return y < 0 || 1 / y < 0 ? -0 : 0;
}
""",
    "floor_divide": """
function $floor_divide(x, y) {
  if (y === 0) return x / y;
  const rest = x % y;
  let found = (x - rest) / y;
  if (rest !== 0 && (rest < 0) !== (y < 0)) found -= 1;
  if (found === 0) return x / y < 0 || 1 / (x / y) < 0 ? -0 : 0;
  const whole = Math.floor(found);
  return found - whole > 0.5 ? whole + 1 : whole;
}
""",
    # DLMF 7.6.2, a series of positive terms, below 1.5; 7.9.1, a continued fraction, above
    "erf_series": """
function $erf_series(x) {
  let term = x, sum = x;
  for (let n = 1; term > sum * 1e-17; n++) sum += term *= 2 * x * x / (2 * n + 1);
  return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
}
""",
    "erfc": """
function $erfc(x) {
  if (x < 0) return 2 - $erfc(-x);
  if (x < 1.5) return 1 - $erf_series(x);
  if (x > 27.5) return x === x ? 0 : NaN;
  let below = x;
  for (let n = 120; n > 0; n--) below = x + n / 2 / below;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / below;
}
""",
}
