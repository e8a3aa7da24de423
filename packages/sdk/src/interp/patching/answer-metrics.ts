/** Metrics of answers that are not logit differences. */
import { type Tensor, TritlensError } from "tritlens";
import { logProb, type Metric } from "tritlens/interp";

/**
 * Mean over the batch of p(answer) at the last position, as causal tracing measures it. Flat where the answer is almost certain or almost impossible; there `logProb` or
 * `logitDiff` still tell patches apart.
 *
 * @param answers - One token, or one an example.
 * @throws When it is measured: E_SHAPE unless there is one answer for all or one an example, E_RANGE for a token that does not exist.
 */
export function answerProbability(answers: number | readonly number[]): Metric {
  const rows = (logits: Tensor): { metric: Metric; row: Tensor; p: number }[] => {
    const list = answersOf(answers, logits);
    return list.map((answer, b) => {
      const [metric, row] = [logProb(answer), logits.slice("batch", [b, b + 1])];
      return { metric, row, p: Math.exp(metric.value(row)) };
    });
  };
  return {
    name: "probability of the answer",
    reads: { positions: "last" },
    value: (logits) => {
      const all = rows(logits);
      return all.reduce((sum, { p }) => sum + p, 0) / all.length;
    },
    grad: (logits) => {
      const all = rows(logits);
      // dp = p d(log p)
      return Float32Array.from(all.flatMap(({ metric, row, p }) => Array.from(metric.grad?.(row) ?? [], (g) => (p * g) / all.length)));
    },
  };
}

/**
 * Share of the batch whose largest logit at the last position is the answer: interchange intervention accuracy, when the answers are those of the causal model after the same
 * interchange. It has no gradient.
 *
 * @param answers - One token, or one an example.
 * @param classes - Tokens that count as answers at all; all of them when left out.
 * @throws When it is measured: E_SHAPE unless there is one answer for all or one an example, E_RANGE for a class that does not exist.
 */
export function answerAccuracy(answers: number | readonly number[], classes?: readonly number[]): Metric {
  return {
    name: "accuracy",
    reads: { positions: "last", ...(classes ? { classes } : {}) },
    value(logits) {
      const list = answersOf(answers, logits);
      const count = logits.shape[2] as number;
      const right = list.filter((answer, b) => {
        const row = logits.data.subarray(b * count, (b + 1) * count);
        const best = row.reduce((most, x, c) => (x > (row[most] as number) ? c : most), 0);
        return (classes?.[best] ?? best) === answer;
      });
      return right.length / list.length;
    },
  };
}

/** One answer a row. @throws E_SHAPE. */
function answersOf(answers: number | readonly number[], logits: Tensor): number[] {
  const batch = logits.shape[0] as number;
  const list = typeof answers === "number" ? [answers] : answers;
  if (list.length !== 1 && list.length !== batch)
    throw new TritlensError("E_SHAPE", "answers do not fit the batch", { expected: `1 or ${batch} tokens`, found: `${list.length}` });
  return Array.from({ length: batch }, (_, b) => (list.length === 1 ? list[0] : list[b]) as number);
}
