/** A minimiser for smooth convex functions of a few thousand numbers. */

/** What a function is at one point. */
export interface ValueWithGrad {
  /** Its value. */
  readonly value: number;
  /** Its gradient there, as long as x. */
  readonly grad: Float64Array;
}

/** A function's value and gradient at x. It returns a new gradient each time: earlier ones are kept. */
export type ValueAndGrad = (x: Float64Array) => ValueWithGrad;

/** Options of {@link minimize}. */
export interface MinimizeOptions {
  /** Most iterations (200). */
  readonly steps?: number;
  /** Ends when no entry of the gradient is larger (1e-7), or when rounding lets it fall no more. */
  readonly tolerance?: number;
}

/** Pairs of steps and gradient differences that are remembered. */
const MEMORY = 10;

interface Pair {
  readonly s: Float64Array;
  readonly y: Float64Array;
  readonly rho: number;
}

/** How far rounding of f32 products may move a value. */
const NOISE = 3e-7;
/** Iterations without a clearly smaller value or a smaller gradient after which rounding has the last word. */
const PATIENCE = 5;

/**
 * Minimises by L-BFGS (Liu and Nocedal 1989) with steps that are halved until the value falls, as far as rounding lets it be seen; near the minimum the gradient decides.
 *
 * For smooth convex functions; of others it finds some local minimum. Where the gradient is noisy (batches), use {@link Adam}.
 *
 * @param start - Where it begins; not changed.
 * @returns The lowest point; among those that rounding makes equal, the one with the smallest gradient.
 */
export function minimize(f: ValueAndGrad, start: Float64Array, { steps = 200, tolerance = 1e-7 }: MinimizeOptions = {}): Float64Array {
  let x = start;
  let { value, grad } = f(x);
  let best = { x, value, size: largest(grad), step: 0 };
  const pairs: Pair[] = [];
  for (let step = 1; step <= steps && best.size > tolerance && step - best.step <= PATIENCE; step++) {
    const down = direction(grad, pairs);
    const slope = dot(down, grad);
    let t = step === 1 ? Math.min(1, 1 / Math.sqrt(dot(grad, grad))) : 1;
    let next = x;
    let at = { value, grad };
    for (let tries = 0; tries < 30; tries++, t /= 2) {
      next = x.map((v, i) => v + t * (down[i] as number));
      at = f(next);
      if (at.value <= value + 1e-4 * t * slope + noise(value)) break;
    }
    const s = next.map((v, i) => v - (x[i] as number));
    const y = at.grad.map((g, i) => g - (grad[i] as number));
    const curvature = dot(s, y);
    if (curvature > 1e-12 * dot(y, y)) pairs.push({ s, y, rho: 1 / curvature });
    if (pairs.length > MEMORY) pairs.shift();
    [x, value, grad] = [next, at.value, at.grad];
    const size = largest(grad);
    if (value < best.value - noise(value) || size < best.size) best = { x, value, size, step };
  }
  return best.x;
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

function largest(x: Float64Array): number {
  let most = 0;
  for (const value of x) most = Math.max(most, Math.abs(value));
  return most;
}

function noise(value: number): number {
  return NOISE * Math.max(1, Math.abs(value));
}
