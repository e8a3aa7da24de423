/** The answering half of bench/contest.mjs for peers that are JavaScript: `open` makes a case `{ work, run }`, everything else is here. */
import { answerLines } from "../answer.mjs";

/** Answers lines until stdin ends; `open(request)` checks its answer before it resolves. */
export async function serve(open) {
  let cases = [];
  const answers = {
    open: async (request) => {
      const made = await open(request);
      return { case: cases.push(made) - 1, work: made.work };
    },
    time: async ({ case: number, ms }) => ({ seconds: await seconds(cases[number].run, ms) }),
    close: async () => {
      for (const made of cases) await made.close?.();
      cases = [];
      return {};
    },
  };
  await answerLines(answers);
  process.exit(0);
}

/** Seconds of one run, from as many runs as fill `ms`. */
async function seconds(run, ms) {
  const began = performance.now();
  let runs = 0;
  let took = 0;
  do {
    await run();
    runs += 1;
    took = performance.now() - began;
  } while (took < ms);
  return took / runs / 1000;
}

/** Trits of `n` weights, by a small generator. */
export function trits(n) {
  let state = 3;
  return Int8Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * 3) - 1;
  });
}

/** Numbers in [-1, 1). */
export const floats = (n) => Float32Array.from({ length: n }, (_, i) => Math.sin(i * 12.9898) % 1);

/** Fails unless `y` [m, rows] is x [m, cols] times w [rows, cols], within `part` of the size of the sums, at a sample of places. */
export function checkProduct(y, x, w, [rows, cols, m], part) {
  for (let n = 0; n < 64; n++) {
    const [row, i] = [(n * 997) % rows, (n * 31) % m];
    let [exact, size] = [0, 0];
    for (let k = 0; k < cols; k++) {
      const product = w(row, k) * x[i * cols + k];
      exact += product;
      size += product * product;
    }
    const found = y[i * rows + row];
    if (!(Math.abs(found - exact) <= part * Math.sqrt(size))) throw new Error(`${found} where ${exact} is right (row ${row}, column ${i})`);
  }
}
