/** Processes that take turns: each side answers one request at a time, so that no two measurements run at once. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Starts a side; `ask` sends one line and resolves with the answer. */
export function startSide(name, command, args) {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = new Promise((_, reject) => child.on("close", (code) => reject(new Error(`${name} ended with ${code}`))));
  ended.catch(() => undefined);
  return {
    name,
    async ask(request) {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const { value, done } = await Promise.race([lines.next(), ended]);
      if (done) throw new Error(`${name} ended without an answer`);
      return JSON.parse(value);
    },
    end: () => child.stdin.end(),
  };
}

/** Rounds of A B C A B C ...; each side takes `count` steps a turn. Returns milliseconds a step, one number a round and side. */
export async function takeTurns(sides, rounds, count) {
  const times = new Map(sides.map((side) => [side.name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const side of sides) {
      const { seconds } = await side.ask({ ask: "steps", count, steps: count });
      times.get(side.name).push((seconds * 1000) / count);
    }
    process.stderr.write(`round ${round + 1} of ${rounds}\r`);
  }
  return times;
}

/** Lowest and middle of a list. */
export function summary(times) {
  const sorted = [...times].sort((a, b) => a - b);
  return { best: sorted[0], median: sorted[Math.floor(sorted.length / 2)] };
}

/** Fails unless two sides' first losses agree: a fast wrong answer is not an answer. */
export function checkAnswers(reference, other, tolerance) {
  for (const [i, loss] of reference.losses.entries()) {
    const apart = Math.abs(other.losses[i] - loss) / Math.abs(loss);
    if (!(apart < tolerance)) throw new Error(`${other.name} has loss ${other.losses[i]} where ${reference.name} has ${loss} (step ${i})`);
  }
}
