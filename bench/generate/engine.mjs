/**
 * Our side of the section `generate`, the same in Node and in a page: `engine(sdk)` takes the SDK's exports and returns a function for every `ask`. Answers what
 * bench/peers/llama_lm.cpp answers, and more: captures, plans, and where the weights lie.
 */

const CAPACITY = 1024;
const CAPTURED = "blocks.*.hook_resid_post";
/** Prompts are bytes, as those of the other sides. */
const words = (count) => Array.from({ length: count }, (_, i) => (i * 7919 + 3) % 256);
const since = (began) => (performance.now() - began) / 1000;

function likeliest(logits) {
  const { data } = logits;
  let best = 0;
  for (let i = 1; i < data.length; i++) if (data[i] > data[best]) best = i;
  return best;
}

export function engine({ loadCore, Model }, backend) {
  const models = new Map();
  const cases = [];

  async function open(path) {
    const core = await loadCore({ backend });
    models.set(path, models.get(path) ?? (await Model.fromPretrained(path, { core })));
    return { core, model: models.get(path) };
  }

  async function load({ model: path, threads }) {
    const { core, model } = await open(path);
    const session = model.openSession({ capacity: CAPACITY, batch: 1 });
    return { case: cases.push({ core, session, threads, blocks: model.layers }) - 1 };
  }

  /** A case with its threads in force and nothing in its cache. */
  function fresh(number) {
    const found = cases[number];
    found.core.setThreads(found.threads);
    found.session.rewind(0);
    return found;
  }

  const run = (session, tokens, names) => session.run(tokens, names ? { lastOnly: true, names } : { lastOnly: true });

  /** Seconds of `count` tokens, each the likeliest, after a prompt that is not timed. */
  function generate({ case: number, count, prompt, capture = false }) {
    const { session, blocks } = fresh(number);
    const listened = capture ? CAPTURED : undefined;
    let token = likeliest(run(session, words(prompt), listened).logits);
    let captured = 0;
    const began = performance.now();
    for (let i = 0; i < count; i++) {
      const { logits, cache } = run(session, [token], listened);
      token = likeliest(logits);
      captured += cache.size;
    }
    const seconds = since(began);
    const expected = capture ? count * blocks : 0;
    if (captured !== expected) throw new Error(`${captured} captures of ${expected}`);
    return { seconds };
  }

  /** Seconds of a prompt. Where captures are asked about, with the logits of all positions: what is captured of the last block has all of them too. */
  function prompt({ case: number, count, capture }) {
    const { session } = fresh(number);
    const options = capture === undefined ? { lastOnly: true } : capture ? { names: CAPTURED } : {};
    const began = performance.now();
    session.run(words(count), options);
    return { seconds: since(began) };
  }

  function logits({ case: number, tokens }) {
    const { session } = fresh(number);
    return { logits: [...run(session, tokens.split(" ").map(Number)).logits.data] };
  }

  /** Seconds from opening the file to the first token after a prompt of 16, the core's own loading included. */
  async function first({ model: path, threads }) {
    const began = performance.now();
    const { core, model } = await open(path);
    core.setThreads(threads);
    const session = model.openSession({ capacity: CAPACITY, batch: 1 });
    likeliest(run(session, words(16)).logits);
    const seconds = since(began);
    const { weights, total } = model.plan({ batch: 1, seq: 16, capacity: CAPACITY });
    return { seconds, weights, running: total - weights };
  }

  /** Loads the core alone. */
  async function core({ threads }) {
    (await loadCore({ backend })).setThreads(threads);
    return {};
  }

  return { load, generate, prompt, logits, first, core };
}
