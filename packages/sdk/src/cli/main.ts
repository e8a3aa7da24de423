/** The command line: which commands and options there are. */
import { Command, CommanderError, InvalidArgumentError, Option } from "./commander.ts";
import { describeError, EXIT, exitCode } from "./exit.ts";
import { type Output, Screen } from "./screen.ts";

/** Streams of the command, replaced in tests. */
export interface Streams {
  readonly out: Output;
  readonly err: Output;
}

/** Parses the arguments, runs the command, and returns the exit code. Never throws. */
export async function main(argv: readonly string[], streams: Streams = { out: process.stdout, err: process.stderr }): Promise<number> {
  let code: number = EXIT.ok;
  const program = commandLine(argv, streams, (c) => {
    code = c;
  });
  try {
    await program.parseAsync(argv, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    streams.err.write(`${describeError(error)}\n`);
    if (argv.includes("--verbose") && error instanceof Error) streams.err.write(`${error.stack ?? ""}\n`);
    return exitCode(error, true);
  }
}

function commandLine(argv: readonly string[], streams: Streams, done: (code: number) => void): Command {
  const program = new Command("tritlens")
    .description("Train, run and see inside 1-bit and 1.58-bit networks.")
    .configureOutput({ writeOut: (s) => void streams.out.write(s), writeErr: (s) => void streams.err.write(s) })
    .showHelpAfterError("(tritlens --help lists commands and options)")
    .exitOverride();
  addReproduce(program, argv, streams, done);
  addRun(program, streams, done);
  addAnalyze(program, streams, done);
  addInspect(program, streams, done);
  addConvert(program, streams, done);
  addCompare(program, streams, done);
  addLens(program, streams, done);
  addInfo(program, streams, done);
  for (const command of program.commands) command.option("--verbose", "print where an error came from").copyInheritedSettings(program);
  return program;
}

const backend = (): Option => new Option("--backend <name>", "core to use").choices(["auto", "native", "wasm"]);
const threads = (): Option => new Option("--threads <n>", "threads of the core (default: all)").argParser(integer);

function addReproduce(program: Command, argv: readonly string[], { out }: Streams, done: (code: number) => void): void {
  program
    .command("reproduce")
    .description("run the experiment of arXiv 2405.17703 and write a report (goes on where it was stopped)")
    .option("--out <folder>", "where checkpoints, results and report go", "tritlens-out")
    .option("--modes <list>", "modes to train, comma separated: fp32, li_binary, li_ternary, binary, ternary, nanda_fp32", list)
    .option("--full", "all six modes")
    .option("--quick", "a small modulus that groks in well under a minute")
    .option("--seeds <n>", "seeds a mode", integer)
    .option("--epochs <n>", "most epochs a run", integer)
    .option("--eval-every <n>", "epochs between evaluations", integer)
    .option("--p <p>", "modulus", integer)
    .option("--fraction <share>", "share of the pairs to train on", real)
    .option("--weight-decay <x>", "weight decay", real)
    .option("--fresh", "throw away what an earlier experiment left in the folder")
    .option("--render-only", "train nothing: write results and report from the finished runs in the folder")
    .option("--keep-snapshots", "keep the snapshots along training (1 MB each)")
    .addOption(threads())
    .addOption(backend())
    .action(async ({ verbose: _, ...options }: Record<string, unknown>) => {
      const { runReproduce } = await import("./reproduce.ts");
      done(await runReproduce({ ...options, command: ["tritlens", ...argv].join(" ") }, new Screen(out)));
    });
}

function addAnalyze(program: Command, streams: Streams, done: (code: number) => void): void {
  program
    .command("analyze")
    .description("take a checkpoint apart: tritlens's own, a reference run (NAME.safetensors with NAME.json) or a TransformerLens state dict")
    .argument("<checkpoint>", "a .safetensors file")
    .option("--json", "print every number as JSON")
    .option("--html <file>", "write the report of this one model")
    .option("--p <p>", "modulus, where the checkpoint does not say it", integer)
    .option("--mode <mode>", "quantiser, where the checkpoint does not say it")
    .option("--train <file>", "JSON file with the indices a * p + b trained on: a list, or an object with a list under `train`")
    .option("--key-rule <rule>", "how key frequencies are found: logit_share, neuron_argmax, embedding_norm, unembed_norm")
    .option("--key-threshold <x>", "threshold of that rule", real)
    .addOption(threads())
    .addOption(backend())
    .action(async (checkpoint: string, options: Record<string, unknown>) => {
      const { runAnalyze } = await import("./analyze.ts");
      done(await runAnalyze(checkpoint, options, streams));
    });
}

function addInspect(program: Command, streams: Streams, done: (code: number) => void): void {
  program
    .command("inspect")
    .description("what a checkpoint is: architecture, formats, bits a weight, share of zeros, memory")
    .argument("<path>", "a .gguf file, a folder with config.json, or a URL of either")
    .option("--no-scan", "look at headers only: do not read the weights to count zeros")
    .option("--json", "print everything as JSON")
    .addOption(backend())
    .action(async (path: string, options: Record<string, unknown>) => {
      const { runInspect } = await import("./inspect.ts");
      done(await runInspect(path, options, streams));
    });
}

function addRun(program: Command, streams: Streams, done: (code: number) => void): void {
  program
    .command("run")
    .description("generate text with a model: a GGUF file or a folder of Hugging Face's, every activation in reach")
    .argument("<path>", "a .gguf file, a folder with config.json, or a URL of either")
    .option("--prompt <text>", "what the text begins with")
    .option("--tokens <ids>", "the same as token ids, comma separated", integers)
    .option("--chat", "the prompt is a user's message: write it with the model's chat template")
    .option("--stream", "print the text as it comes (default on a terminal)")
    .option("--no-stream", "print the text at the end")
    .option("--max-tokens <n>", "most tokens to generate (default 128)", integer)
    .option("--temperature <t>", "0 takes the most likely token (default)", real)
    .option("--top-k <k>", "draw among the k most likely tokens", integer)
    .option("--top-p <p>", "draw among the most likely tokens that together have this probability", real)
    .option("--seed <n>", "seed of the drawing", integer)
    .option("--stop <text>", "end before this text (can be given again)", again)
    .option("--hooks <hook>", "NAME[@AXIS=PLACE,...][:print|zero|mean|scale=X|add=X|set=X] (can be given again)", again)
    .option("--capture <name>", "keep an activation; globs work (can be given again)", again)
    .option("--save <file>", "write what was captured as safetensors")
    .option("--attention <layer.head>", "draw what an attention head looks at")
    .option("--svg <file>", "write that picture as SVG, too")
    .option("--json", "print one object with text, tokens and times")
    .addOption(threads())
    .addOption(backend())
    .action(async (path: string, options: Record<string, unknown>) => {
      const { runRun } = await import("./run.ts");
      done(await runRun(path, options, streams));
    });
}

function addConvert(program: Command, { out }: Streams, done: (code: number) => void): void {
  const choice = (flags: string, text: string, ...choices: string[]): Option => new Option(flags, text).choices(choices);
  program
    .command("convert")
    .description("write a checkpoint in fewer bits (lossy: see the report it prints) or in another format")
    .argument("<in>", "a folder of transformers or a .gguf file")
    .argument("<out>", "a .gguf file, or a folder for the other formats")
    .addOption(choice("--to <what>", "codes, or a format", "ternary", "binary", "gguf", "safetensors", "hf-bitnet").makeOptionMandatory())
    .addOption(choice("--method <name>", "how codes and scales are found", "absmean", "twn", "twnExact", "leastSquares", "sign"))
    .addOption(choice("--granularity <what>", "what shares a scale", "tensor", "row", "group"))
    .option("--group-size <n>", "columns of a group", integer)
    .option("--shift", "a shift beside each scale of rows or groups (GGUF and packed folders cannot hold it)")
    .addOption(choice("--activations <type>", "inputs of converted matrices", "f32", "int8"))
    .option("--names <list>", "matrices to convert, comma separated: blocks.*.mlp.*, ...", list)
    .option("--layers <list>", "blocks to convert, comma separated", (text) => list(text).map(integer))
    .addOption(
      choice("--type <type>", "type of the blocks' matrices in a GGUF", "tq1_0", "tq2_0", "q1_0", "q2_0", "q8_0", "q4_0", "f32", "f16", "bf16"),
    )
    .addOption(choice("--dtype <type>", "type of dense matrices", "f32", "f16", "bf16"))
    .option("--lossy", "allow the file what it cannot hold exactly")
    .option("--text <file>", "text to compare the logits on (default: random tokens)")
    .option("--force", "write over what is there")
    .option("--report <file>", "where the report goes as JSON (default: beside the output)")
    .addOption(threads())
    .addOption(backend())
    .action(async (input: string, output: string, { verbose: _, ...options }: Record<string, unknown>) => {
      const { runConvert } = await import("./convert.ts");
      done(await runConvert(input, output, options as never, new Screen(out)));
    });
}

function addCompare(program: Command, { out }: Streams, done: (code: number) => void): void {
  program
    .command("compare")
    .description("run two checkpoints over the same tokens and compare their activations (a packed model and its original, say)")
    .argument("<a>", "the reference: a folder of transformers or a .gguf file")
    .argument("<b>", "the other one")
    .option("--text <file>", "text to run on, with the tokenizer of the first")
    .option("--tokens <list>", "token ids to run on, comma separated", (text) => list(text).map(integer))
    .option("--names <list>", "activations, comma separated (default: patterns, z, and what blocks add and leave)", list)
    .option("--svg <file>", "write a heat map")
    .option("--json", "print every number as JSON")
    .addOption(threads())
    .addOption(backend())
    .action(async (a: string, b: string, { verbose: _, ...options }: Record<string, unknown>) => {
      const { runCompare } = await import("./compare.ts");
      done(await runCompare(a, b, options, new Screen(out)));
    });
}

function addLens(program: Command, streams: Streams, done: (code: number) => void): void {
  program
    .command("lens")
    .description("what a model would say after every layer (the logit lens)")
    .argument("<path>", "a .gguf file, a folder with config.json, or a URL of either")
    .option("--prompt <text>", "text to read")
    .option("--tokens <ids>", "the same as token ids, comma separated", integers)
    .option("--mid", "between attention and MLP, too")
    .option("--svg <file>", "write the grid as a picture")
    .option("--json", "print the numbers as JSON")
    .addOption(threads())
    .addOption(backend())
    .action(async (path: string, options: Record<string, unknown>) => {
      const { runLens } = await import("./lens.ts");
      done(await runLens(path, options, streams));
    });
}

function addInfo(program: Command, { out }: Streams, done: (code: number) => void): void {
  program
    .command("info")
    .description("what this machine runs: core, instruction set, threads")
    .option("--json", "as JSON")
    .addOption(threads())
    .addOption(backend())
    .action(async (options: Record<string, unknown>) => {
      const { runInfo } = await import("./info.ts");
      done(await runInfo(options, out));
    });
}

function integer(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError("expected a whole number");
}

function integers(text: string): number[] {
  return list(text).map(integer);
}

/** Collects an option that may be given several times. */
function again(text: string, before: string[] = []): string[] {
  return [...before, text];
}

function real(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw new InvalidArgumentError("expected a number");
}

function list(text: string): string[] {
  return text
    .split(",")
    .map((s) => s.trim())
    .filter((s) => s !== "");
}
