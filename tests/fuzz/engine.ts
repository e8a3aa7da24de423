/**
 * A seeded fuzzer. `TRITLENS_FUZZ_SECONDS` says how long a target runs (2 in the ordinary test run, a minute in `npm run fuzz`), `TRITLENS_FUZZ_SEED` which
 * cases it makes. A case depends on the seed and its number alone.
 */
import { TritlensError } from "tritlens";

export const SECONDS: number = Number(process.env.TRITLENS_FUZZ_SECONDS ?? 2);
const SEED = Number(process.env.TRITLENS_FUZZ_SEED ?? 1);

/** No file of a few KB may take longer; far above what one takes on a busy machine. */
const SLOW_MS = 2000;

/** Random numbers of one case (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** A whole number below n. */
  below(n: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

/** Values at which sizes, counts and offsets go wrong. */
export const EDGES: readonly bigint[] = [0n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n];

export type Mutation = (bytes: Uint8Array, dice: Dice) => Uint8Array;

/** What every format is tried with. */
export const BLIND: readonly Mutation[] = [
  (bytes, dice) => bytes.slice(0, dice.below(bytes.length + 1)),
  (bytes, dice) => {
    const out = bytes.slice();
    for (let i = dice.below(4); i >= 0 && out.length > 0; i--) {
      const at = dice.below(out.length);
      out[at] = (out[at] as number) ^ (1 << dice.below(8));
    }
    return out;
  },
  (bytes, dice) => {
    const out = bytes.slice();
    if (out.length > 0) out[dice.below(out.length)] = dice.below(256);
    return out;
  },
  // A piece twice, or not at all.
  (bytes, dice) => {
    const [a, b] = [dice.below(bytes.length + 1), dice.below(bytes.length + 1)];
    const out = new Uint8Array(a + (bytes.length - b));
    out.set(bytes.subarray(0, a));
    out.set(bytes.subarray(b), a);
    return out;
  },
];

/** What became of one input. */
export type Outcome = { readonly opened: boolean };

/** The checked outcome of an input: opened, or refused with a typed error. Anything else is thrown, with what reproduces it. */
export async function outcomeOf(bytes: Uint8Array, target: (bytes: Uint8Array) => Promise<void>, what: string): Promise<Outcome> {
  const start = performance.now();
  let opened = true;
  try {
    await target(bytes);
  } catch (error) {
    if (!(error instanceof TritlensError)) {
      const input = Buffer.from(bytes.subarray(0, 1 << 16)).toString("base64");
      throw new Error(`${what}: ${error instanceof Error ? error.stack : String(error)}\ninput (base64): ${input}`, { cause: error });
    }
    opened = false;
  }
  const milliseconds = performance.now() - start;
  if (milliseconds > SLOW_MS) throw new Error(`${what}: took ${Math.round(milliseconds)} ms for ${bytes.length} bytes`);
  return { opened };
}

/** Mutates seeds until the time is over. @returns How many inputs were tried and how many of them opened. */
export async function fuzz(
  name: string,
  seeds: readonly Uint8Array[],
  mutations: readonly Mutation[],
  target: (bytes: Uint8Array) => Promise<void>,
): Promise<{ tried: number; opened: number }> {
  const end = performance.now() + 1000 * SECONDS;
  let [tried, opened] = [0, 0];
  for (; performance.now() < end; tried++) {
    // What waits for the event loop to turn (cleaning up, the runner's messages) waits for ever in a row of microtasks.
    if (tried % 1000 === 999) await new Promise((resolve) => setImmediate(resolve));
    const dice = new Dice(Math.imul(SEED, 0x9e3779b1) + tried);
    let bytes = dice.pick(seeds);
    for (let i = dice.below(3); i >= 0; i--) bytes = dice.pick(mutations)(bytes, dice);
    if ((await outcomeOf(bytes, target, `${name}, seed ${SEED}, case ${tried}`)).opened) opened++;
  }
  console.log(`fuzz ${name}: ${tried} inputs in ${SECONDS} s (seed ${SEED}), ${opened} opened, the others refused`);
  return { tried, opened };
}
