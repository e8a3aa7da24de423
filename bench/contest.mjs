/** Processes that take turns: each side answers one request at a time, so that no two measurements run at once. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { glance, watch } from "./contention.mjs";

/** Starts a side; `ask` sends one JSON object as a line and resolves with the answer, or rejects with the answer's `error`. */
export function startSide(name, command, args, options = {}) {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"], ...options });
  watch(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = new Promise((_, reject) => {
    child.on("error", reject);
    child.on("close", (code) => reject(new Error(`${name} ended with ${code}`)));
  });
  ended.catch(() => undefined);
  // Writing to a side that has ended fails here too; `ended` says it better.
  child.stdin.on("error", () => undefined);
  return {
    name,
    pid: child.pid,
    async ask(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const { value, done } = await Promise.race([lines.next(), ended]);
      if (done) throw new Error(`${name} ended without an answer`);
      const answer = JSON.parse(value);
      if (answer.error) throw new Error(`${name}: ${answer.error}`);
      return answer;
    },
    end: () => {
      glance();
      child.stdin.end();
    },
  };
}

/** Milliseconds between turns: threads of the side before (OpenMP's, onnxruntime's) spin for a while after their work, on a core that the next side needs. */
const PAUSE = 10;

/**
 * Rounds of A B C A B C ...: `entries` are `{ name, measure }`, where `measure` resolves with one number. Returns the numbers of each name, one a round.
 */
export async function measureInTurns(entries, rounds) {
  const found = new Map(entries.map(({ name }) => [name, []]));
  if (found.size < entries.length) throw new Error(`two sides have one name: ${entries.map(({ name }) => name).join(", ")}`);
  for (let round = 0; round < rounds; round++) {
    for (const { name, measure } of entries) {
      await setTimeout(PAUSE);
      found.get(name).push(await measure());
    }
  }
  return found;
}

/** The same for sides that take steps (`{ ask: "steps", count }`): milliseconds a step of each side, one number a round. */
export function takeTurns(sides, rounds, count) {
  const measure = async (side) => ((await side.ask({ ask: "steps", count, steps: count })).seconds * 1000) / count;
  return measureInTurns(
    sides.map((side) => ({ name: side.name, measure: () => measure(side) })),
    rounds,
  );
}

/** Middle and spread of a list. */
export function summary(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  return { median: at(0.5), p10: at(0.1), p90: at(0.9), best: sorted[0] };
}

/** Fails unless two sides' first losses agree: a fast wrong answer is not an answer. */
export function checkAnswers(reference, other, tolerance) {
  for (const [i, loss] of reference.losses.entries()) {
    const apart = Math.abs(other.losses[i] - loss) / Math.abs(loss);
    if (!(apart < tolerance)) throw new Error(`${other.name} has loss ${other.losses[i]} where ${reference.name} has ${loss} (step ${i})`);
  }
}
