// Sentences in which one of two names comes again, and the other one has to be said: "When A and B went, A gave to" -> B. Used by examples/12-name-copying.mjs.
import { dataOf, dice } from "./study.mjs";

export const NAMES = "Ada Bo Cy Di Ed Fay Gus Hal Ida Jo Kit Lou May Ned Oz Pam Roy Sue Ty Vi".split(" ");
export const WORDS = [...NAMES, ..."When and gave to once then so there".split(" ")];
const id = (/** @type {string} */ word) => WORDS.indexOf(word);
const FILLERS = 3;
/** Words of a sentence, and where the name stands that comes again. */
export const [LENGTH, AGAIN] = [7 + FILLERS, 4 + FILLERS];
const roll = dice(2);

/** Fillers before the first name and behind the second one, so that names have no fixed places. @param {number} a @param {number} b @param {number} again */
function sentence(a, b, again, late = roll(FILLERS + 1)) {
  const filler = (/** @type {number} */ n) => Array.from({ length: n }, () => id("once") + roll(4));
  return [id("When"), ...filler(FILLERS - late), a, id("and"), b, ...filler(late), again, id("gave"), id("to")];
}

function pair() {
  const a = roll(NAMES.length);
  return [a, (a + 1 + roll(NAMES.length - 1)) % NAMES.length];
}

/** Only the last word of a sentence has an answer. */
export const nameData = () =>
  dataOf(
    Array.from({ length: 10_000 }, () => {
      const [a, b] = pair();
      const first = roll(2) === 0;
      return { tokens: sentence(a, b, first ? a : b), targets: Array.from({ length: LENGTH }, (_, i) => (i < LENGTH - 1 ? -1 : first ? b : a)) };
    }),
  );

/** Sentences beside the same ones with the other name again, which turns the answer around. Names stand at 2 and 4. */
export function namePrompts(rows = 64) {
  const made = Array.from({ length: rows }, (_, i) => {
    const [a, b] = pair();
    const [answer, foil] = i % 2 === 0 ? [a, b] : [b, a];
    const clean = sentence(a, b, foil, FILLERS - 1);
    return { clean, turned: clean.with(AGAIN, answer), answer, foil };
  });
  return { clean: made.map((m) => m.clean), turned: made.map((m) => m.turned), answers: made.map((m) => m.answer), foils: made.map((m) => m.foil) };
}
