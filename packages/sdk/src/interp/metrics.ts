/** Scalars of a run's logits: what patching measures, and what gradients are taken of. */
import { requireLength, Tensor, TritlensError } from "tritlens";

/** Which logits a metric looks at. */
export interface MetricReads {
  /** Every position, or the last one only. */
  readonly positions: "all" | "last";
  /** Classes it looks at; all of them when left out. */
  readonly classes?: readonly number[];
}

/**
 * A scalar of logits. A metric that says what it reads makes sweeps cheaper: only those logits are computed.
 *
 * Logits come as [batch, pos, class], where `pos` is 1 with `positions: "last"` and `class` counts `reads.classes`, in that order.
 */
export interface Metric {
  /** What is measured, for pictures. */
  readonly name: string;
  /** What `value` gets to see. */
  readonly reads: MetricReads;
  /** The scalar. */
  value(logits: Tensor): number;
  /** Its gradient with respect to the same logits, row-major [batch, pos, class]; without one, gradient methods refuse the metric. */
  grad?(logits: Tensor): Float32Array;
}

/** A metric, or a function of all logits [batch, pos, class]. */
export type MetricLike = Metric | ((logits: Tensor) => number);

/**
 * A metric in its full form. A function of logits reads all of them and has no gradient: gradient methods refuse it, and sweeps cannot save what it does not look at.
 *
 * @throws E_SHAPE for what is no metric, E_NAME for positions other than `all` and `last`.
 */
export function toMetric(metric: MetricLike): Metric {
  if (typeof metric === "function") return { name: metric.name || "metric", reads: { positions: "all" }, value: metric };
  if (typeof metric?.value !== "function" || typeof metric.reads !== "object" || metric.reads === null)
    throw new TritlensError("E_SHAPE", "this is no metric", {
      expected: "a function of logits, or { name, reads: { positions }, value(logits) }",
      found: describe(metric),
    });
  const { positions } = metric.reads;
  if (positions !== "all" && positions !== "last")
    throw new TritlensError("E_NAME", `the metric "${metric.name}" reads unknown positions`, { expected: "all or last", found: String(positions) });
  return metric;
}

/**
 * The value of a metric, checked.
 *
 * @param logits - What `reads` asks for.
 * @throws E_NONFINITE for NaN and infinities, E_SHAPE when it returns no number; what the function throws passes through.
 */
export function metricValue(metric: Metric, logits: Tensor): number {
  const value: unknown = metric.value(logits);
  if (typeof value !== "number")
    throw new TritlensError("E_SHAPE", `the metric "${metric.name}" returned no number`, { expected: "a number", found: describe(value) });
  if (Number.isFinite(value)) return value;
  throw new TritlensError("E_NONFINITE", `the metric "${metric.name}" is not finite`, { expected: "a finite number", found: String(value) });
}

function describe(value: unknown): string {
  return value === null ? "null" : typeof value === "object" ? ((value as object).constructor?.name ?? "an object") : typeof value;
}

/**
 * Cuts what a metric reads out of the logits of a whole run.
 *
 * @param logits - [batch, pos, class].
 * @returns [batch, pos, class] with `pos` and `class` as `reads` says.
 * @throws E_RANGE for a class that does not exist.
 */
export function readLogits(metric: Metric, logits: Tensor): Tensor {
  const { positions, classes } = metric.reads;
  const [batch, pos, count] = logits.shape as unknown as [number, number, number];
  if (positions === "all" && classes === undefined) return logits;
  const from = positions === "last" ? pos - 1 : 0;
  const kept = classes ?? Array.from({ length: count }, (_, c) => c);
  requireClasses(kept, count);
  const out = new Float32Array(batch * (pos - from) * kept.length);
  const { data } = logits;
  let at = 0;
  for (let b = 0; b < batch; b++) for (let t = from; t < pos; t++) for (const c of kept) out[at++] = data[(b * pos + t) * count + c] as number;
  return Tensor.from(out, [batch, pos - from, kept.length], ["batch", "pos", "class"]);
}

/**
 * The gradient of a metric with respect to all logits of a run, 0 where the metric does not look.
 *
 * @param logits - [batch, pos, class].
 * @returns Row-major [batch, pos, class].
 * @throws E_MODE for a metric without a gradient, E_SHAPE when its gradient has another size than what it reads, E_RANGE for a class that does not exist.
 */
export function metricGrad(metric: Metric, logits: Tensor): Float32Array {
  if (!metric.grad)
    throw new TritlensError("E_MODE", `the metric "${metric.name}" has no gradient`, {
      expected: "a Metric with grad(), such as logitDiff(...)",
      found: "a function of logits",
    });
  const seen = readLogits(metric, logits);
  const grad = metric.grad(seen);
  requireLength(`the gradient of the metric "${metric.name}"`, seen.size, grad.length);
  if (seen === logits) return grad;
  const { positions, classes } = metric.reads;
  const [batch, pos, count] = logits.shape as unknown as [number, number, number];
  const from = positions === "last" ? pos - 1 : 0;
  const kept = classes ?? Array.from({ length: count }, (_, c) => c);
  const out = new Float32Array(logits.size);
  let at = 0;
  for (let b = 0; b < batch; b++)
    for (let t = from; t < pos; t++)
      for (const c of kept) {
        const k = (b * pos + t) * count + c;
        // A class may be listed twice.
        out[k] = (out[k] as number) + (grad[at++] as number);
      }
  return out;
}

function requireClasses(classes: readonly number[], count: number): void {
  const wrong = classes.find((c) => !Number.isInteger(c) || c < 0 || c >= count);
  if (wrong !== undefined)
    throw new TritlensError("E_RANGE", "the metric reads a class that does not exist", {
      expected: `an integer in [0, ${count})`,
      found: String(wrong),
    });
}

/**
 * Mean over the batch of logit[answer] - logit[foil] at the last position: the usual metric of patching (Wang et al. 2022). In units of the logits; it ignores what happens to
 * all other classes.
 *
 * @param answers - One token, or one an example.
 * @param foils - The same for the wrong answer.
 * @throws E_SHAPE for no answer; E_RANGE for an answer that is no token. When it is measured: E_SHAPE unless there is one answer for all or one an example.
 */
export function logitDiff(answers: number | readonly number[], foils: number | readonly number[]): Metric {
  const [right, wrong] = [listOf(answers), listOf(foils)];
  const classes = [...new Set([...right, ...wrong])];
  const at = (list: readonly number[], b: number): number => classes.indexOf((list.length === 1 ? list[0] : list[b]) as number);
  return {
    name: "logit difference",
    reads: { positions: "last", classes },
    value(logits) {
      const { batch, data } = rowsOf(logits, right, wrong);
      let sum = 0;
      for (let b = 0; b < batch; b++)
        sum += (data[b * classes.length + at(right, b)] as number) - (data[b * classes.length + at(wrong, b)] as number);
      return sum / batch;
    },
    grad(logits) {
      const { batch } = rowsOf(logits, right, wrong);
      const out = new Float32Array(logits.size);
      const put = (b: number, c: number, x: number): void => {
        out[b * classes.length + c] = (out[b * classes.length + c] as number) + x;
      };
      for (let b = 0; b < batch; b++) {
        put(b, at(right, b), 1 / batch);
        put(b, at(wrong, b), -1 / batch);
      }
      return out;
    },
  };
}

/**
 * Mean over the batch of log p(answer) at the last position, in nats. It needs the logits of all classes, which makes sweeps dearer than with {@link logitDiff}.
 *
 * @param answers - One token, or one an example.
 * @throws E_SHAPE for no answer; E_RANGE for an answer that is no token. When it is measured: E_SHAPE unless there is one answer for all or one an example.
 */
export function logProb(answers: number | readonly number[]): Metric {
  const right = listOf(answers);
  return {
    name: "log probability",
    reads: { positions: "last" },
    value(logits) {
      const { batch, data, classes } = rowsOf(logits, right);
      let sum = 0;
      for (let b = 0; b < batch; b++) {
        const row = data.subarray(b * classes, (b + 1) * classes);
        sum += (row[answerOf(right, b, classes)] as number) - logSumExp(row);
      }
      return sum / batch;
    },
    grad(logits) {
      const { batch, data, classes } = rowsOf(logits, right);
      const out = new Float32Array(logits.size);
      for (let b = 0; b < batch; b++) {
        const row = data.subarray(b * classes, (b + 1) * classes);
        const total = logSumExp(row);
        for (let c = 0; c < classes; c++) out[b * classes + c] = -Math.exp((row[c] as number) - total) / batch;
        const k = b * classes + answerOf(right, b, classes);
        out[k] = (out[k] as number) + 1 / batch;
      }
      return out;
    },
  };
}

/**
 * A metric moved so that `corrupt` becomes 0 and `clean` becomes 1: how much of the behaviour a patch restores.
 *
 * @throws E_RANGE when both are equal.
 */
export function normalized(metric: MetricLike, { clean, corrupt }: { readonly clean: number; readonly corrupt: number }): Metric {
  const inner = toMetric(metric);
  const range = clean - corrupt;
  if (range === 0 || !Number.isFinite(range))
    throw new TritlensError("E_RANGE", "the clean and the corrupt value are equal", {
      expected: "two different numbers",
      found: `${clean} and ${corrupt}`,
    });
  const grad = inner.grad?.bind(inner);
  return {
    name: `restored share of ${inner.name}`,
    reads: inner.reads,
    value: (logits) => (inner.value(logits) - corrupt) / range,
    ...(grad ? { grad: (logits: Tensor) => grad(logits).map((x) => x / range) } : {}),
  };
}

function listOf(x: number | readonly number[]): readonly number[] {
  const list = typeof x === "number" ? [x] : x;
  if (list.length === 0) throw new TritlensError("E_SHAPE", "a metric needs an answer", { expected: "at least one token", found: "none" });
  const wrong = list.find((t) => !Number.isInteger(t) || t < 0);
  if (wrong !== undefined)
    throw new TritlensError("E_RANGE", "an answer is no token", { expected: "an integer of at least 0", found: String(wrong) });
  return list;
}

/** Rows of the last position. @throws E_SHAPE when there is not one answer for all, or one an example. */
function rowsOf(logits: Tensor, ...lists: readonly (readonly number[])[]): { batch: number; classes: number; data: Float32Array } {
  const [batch, , classes] = logits.shape as unknown as [number, number, number];
  for (const list of lists)
    if (list.length !== 1 && list.length !== batch)
      throw new TritlensError("E_SHAPE", "answers do not fit the batch", { expected: `1 or ${batch} tokens`, found: `${list.length}` });
  return { batch, classes, data: logits.data };
}

function answerOf(list: readonly number[], b: number, classes: number): number {
  const token = (list.length === 1 ? list[0] : list[b]) as number;
  requireClasses([token], classes);
  return token;
}

function logSumExp(row: Float32Array): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const x of row) if (x > most) most = x;
  let sum = 0;
  for (const x of row) sum += Math.exp(x - most);
  return most + Math.log(sum);
}
