/** A minimiser for smooth convex functions of a few thousand numbers. */

/** A function's value and gradient at x. */
export type ValueAndGrad = (x: Float64Array) => { readonly value: number; readonly grad: Float64Array };

/** Options of {@link minimize}. */
export interface MinimizeOptions {
  /** Most iterations (200). */
  readonly steps?: number;
  /** Ends when no entry of the gradient is larger (1e-6). */
  readonly tolerance?: number;
}

/** Pairs of steps and gradient differences that are remembered. */
const MEMORY = 10;

interface Pair {
  readonly s: Float64Array;
  readonly y: Float64Array;
  readonly rho: number;
}

/** Minimises by L-BFGS (Liu and Nocedal 1989) with steps that are halved until the value falls. Returns where it ended; the start when nothing is lower. */
export function minimize(f: ValueAndGrad, start: Float64Array, { steps = 200, tolerance = 1e-6 }: MinimizeOptions = {}): Float64Array {
  let x = start;
  let { value, grad } = f(x);
  const pairs: Pair[] = [];
  for (let step = 0; step < steps && grad.some((g) => Math.abs(g) > tolerance); step++) {
    const down = direction(grad, pairs);
    const slope = dot(down, grad);
    let t = step === 0 ? Math.min(1, 1 / Math.sqrt(dot(grad, grad))) : 1;
    let next = x;
    let at = { value, grad };
    for (let tries = 0; tries < 30; tries++, t /= 2) {
      next = x.map((v, i) => v + t * (down[i] as number));
      at = f(next);
      if (at.value <= value + 1e-4 * t * slope) break;
    }
    // Rounding ends the descent before the tolerance does.
    if (!(at.value < value)) break;
    const s = next.map((v, i) => v - (x[i] as number));
    const y = at.grad.map((g, i) => g - (grad[i] as number));
    const curvature = dot(s, y);
    if (curvature > 1e-12 * dot(y, y)) pairs.push({ s, y, rho: 1 / curvature });
    if (pairs.length > MEMORY) pairs.shift();
    [x, value, grad] = [next, at.value, at.grad];
  }
  return x;
}

/** Minus the inverse Hessian, as the pairs know it, times the gradient. */
function direction(grad: Float64Array, pairs: readonly Pair[]): Float64Array {
  const q = grad.map((g) => -g);
  const alphas: number[] = [];
  for (const { s, y, rho } of pairs.toReversed()) {
    const alpha = rho * dot(s, q);
    alphas.push(alpha);
    add(q, y, -alpha);
  }
  const last = pairs.at(-1);
  if (last) {
    const scale = 1 / (last.rho * dot(last.y, last.y));
    for (let i = 0; i < q.length; i++) q[i] = (q[i] as number) * scale;
  }
  for (const { s, y, rho } of pairs) add(q, s, (alphas.pop() as number) - rho * dot(y, q));
  return q;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

function add(to: Float64Array, x: Float64Array, factor: number): void {
  for (let i = 0; i < to.length; i++) to[i] = (to[i] as number) + factor * (x[i] as number);
}
