/**
 * Clock and pizza logits on isolated circles (Zhong et al. 2023, section 4). The embedding of the numbers is cut down to one frequency (its mean
 * plus its cos and sin parts), the model runs on that, and its logits are compared with each formula: squared correlation over all p^3 entries.
 *
 * The paper keeps two principal components instead. Where two circles have about equal power, components mix them; the Fourier plane does not.
 */
import { cosAt, mod } from "../math/fourier.ts";
import { filterLine } from "../math/marginals.ts";
import { Correlation } from "../math/statistics.ts";
import { weight } from "./check.ts";
import type { Floats, ModAddProbe } from "./input.ts";
import type { Prepared } from "./prepare.ts";
import type { CircleFit } from "./types.ts";

/** Fits the circle of every key frequency; one forward pass each. */
export async function fitCircles(prepared: Prepared, probe: ModAddProbe, ks: readonly number[]): Promise<CircleFit[]> {
  const fits: CircleFit[] = [];
  for (const k of ks) fits.push(fitCircle(await probe.logits({ embed: embedInputs(prepared, isolatedCircle(prepared, k)) }), k, prepared.p));
  return fits;
}

/** The number tokens' embeddings with only the mean and frequency k kept, [token, d]. */
export function isolatedCircle({ basis, embeddingHat, p, acts }: Prepared, k: number): Float64Array {
  const d = acts.dModel;
  // filterLine divides by p, which is right for sums over the p pairs of a line; here each token is one vector.
  const circle = filterLine(basis, embeddingHat, [k], p, d).map((value) => value * p);
  for (let i = 0; i < circle.length; i++) circle[i] += embeddingHat[i % d] / Math.sqrt(p);
  return circle;
}

/** Embeddings at all positions of all pairs, [pair, key, d]; "=" keeps its own. */
function embedInputs({ acts, p }: Prepared, numbers: Float64Array): Float32Array {
  const { dModel: d, seq } = acts;
  const equals = weight(acts.weights, "W_E").effective.subarray(p * d, (p + 1) * d);
  const out = new Float32Array(p * p * seq * d);
  for (let pair = 0; pair < p * p; pair++) {
    const a = Math.floor(pair / p);
    const b = pair % p;
    out.set(numbers.subarray(a * d, (a + 1) * d), pair * seq * d);
    out.set(numbers.subarray(b * d, (b + 1) * d), (pair * seq + 1) * d);
    out.set(equals, (pair * seq + 2) * d);
  }
  return out;
}

/** Squared correlation of logits [pair, cls] with the three formulas at frequency k. */
export function fitCircle(logits: Floats, k: number, p: number): CircleFit {
  const fits = { clock: new Correlation(), pizza: new Correlation(), accompanying: new Correlation() };
  const tables = halfAngleTables(k, p);
  for (let pair = 0; pair < p * p; pair++) {
    const a = Math.floor(pair / p);
    const b = pair % p;
    for (let c = 0; c < p; c++) {
      const value = logits[pair * p + c];
      fits.clock.add(value, tables.cos[mod(a + b - c, p)]);
      fits.pizza.add(value, tables.absCos[mod(a - b, p)] * tables.pizza[mod(a + b - c, p)]);
      fits.accompanying.add(value, -tables.cos[mod(2 * a - c, p)] - tables.cos[mod(2 * b - c, p)]);
    }
  }
  return { frequency: k, clock: fits.clock.squared(), pizza: fits.pizza.squared(), accompanying: fits.accompanying.squared() };
}

/** By t mod p: cos(wt), |cos(wt/2)|, |cos(wt/2)| - |sin(wt/2)|. The half angles are p-periodic in absolute value. */
function halfAngleTables(k: number, p: number): { cos: Float64Array; absCos: Float64Array; pizza: Float64Array } {
  const half = (t: number): number => (Math.PI * mod(k * t, p)) / p;
  const table = (value: (t: number) => number): Float64Array => Float64Array.from({ length: p }, (_, t) => value(t));
  return {
    cos: table((t) => cosAt(k, t, p)),
    absCos: table((t) => Math.abs(Math.cos(half(t)))),
    pizza: table((t) => Math.abs(Math.cos(half(t))) - Math.abs(Math.sin(half(t)))),
  };
}
