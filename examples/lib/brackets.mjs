// Brackets, and what can be said after each of them. Used by examples/13-brackets.mjs.
import { dataOf, dice } from "./study.mjs";

const [OPEN, CLOSE, START] = [0, 1, 2];
export const LENGTH = 21;
/** Verdicts: all closed, some still open, one closed too early. */
export const [BALANCED, PENDING, BROKEN] = [0, 1, 2];
const roll = dice(1);

/** The verdict after every bracket; broken is for good. @param {number[]} line */
export function verdicts(line) {
  let [depth, broken] = [0, false];
  return line.map((token) => {
    depth += token === OPEN ? 1 : token === CLOSE ? -1 : 0;
    broken ||= depth < 0;
    return broken ? BROKEN : depth > 0 ? PENDING : BALANCED;
  });
}

/** A careful line never closes what is not open. @param {boolean} careful @param {number[]} start */
function line(careful, start) {
  const tokens = [...start];
  for (let depth = 0; tokens.length < LENGTH; ) {
    const token = careful && depth === 0 ? OPEN : roll(2);
    depth += token === OPEN ? 1 : -1;
    tokens.push(token);
  }
  return tokens;
}
const lines = Array.from({ length: 10_000 }, () => line(roll(2) === 0, [START]));
export const bracketData = () => dataOf(lines.map((tokens) => ({ tokens, targets: verdicts(tokens) })));

// Pairs: "()" or ")(" at the beginning, and the same careful line behind it. From the third bracket on both have the same count.
export const fine = Array.from({ length: 64 }, () => line(true, [START, OPEN, CLOSE]));
export const early = fine.map((tokens) => tokens.with(1, CLOSE).with(2, OPEN));
