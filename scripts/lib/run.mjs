/**
 * Running other programs, so that a failure says which step failed and how to run that step alone.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));
export const windows = process.platform === "win32";

/** A step that failed; `rerun` is what to type to see it alone. */
export class StepError extends Error {
  constructor(message, rerun) {
    super(message);
    this.rerun = rerun;
  }
}

/** The first of `names` found on PATH, as a full path, or null. */
export function which(...names) {
  const endings = windows ? [".exe", ".cmd", ".bat", ""] : [""];
  const folders = (process.env.PATH ?? "").split(delimiter);
  const candidates = names.flatMap((name) => folders.flatMap((folder) => endings.map((end) => join(folder, name + end))));
  return candidates.find((file) => existsSync(file)) ?? null;
}

/** npm's own JavaScript when npm started us, since `npm.cmd` cannot be spawned without a shell on Windows. */
export function npm(args) {
  const script = process.env.npm_execpath;
  return script?.endsWith(".js") ? [process.execPath, [script, ...args]] : [windows ? "npm.cmd" : "npm", args];
}

/** The command that runs the binary `name` of the package `pkg` from node_modules, whatever the platform. */
export function packageBin(pkg, file) {
  return join(root, "node_modules", pkg, file);
}

const text = (command, args) => [command, ...args].map((word) => (/[^\w@%+=:,./-]/.test(word) ? `'${word}'` : word)).join(" ");

/** Runs a program with its output on ours; rejects with a {@link StepError} when it exits non-zero. */
export function run(step, command, args, options = {}) {
  const { env = {}, cwd = root, rerun, onLine } = options;
  const given = Object.entries(env).filter(([name]) => name !== "PATH");
  const line = rerun ?? [...given.map(([name, value]) => `${name}=${value}`), text(command, args)].join(" ");
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: onLine ? ["inherit", "pipe", "inherit"] : "inherit",
      shell: windows && /\.(cmd|bat)$/.test(command),
    });
    if (onLine) forward(child.stdout, onLine);
    child.on("error", (error) => reject(new StepError(`${step}: ${error.message}`, line)));
    child.on("close", (code, signal) => {
      if (code === 0) resolve();
      else reject(new StepError(`${step}: ${command} ${signal ? `was ended by ${signal}` : `exited with ${code}`}`, line));
    });
  });
}

/** Passes a stream through to our stdout and hands each whole line to `onLine`. */
function forward(stream, onLine) {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk) => {
    process.stdout.write(chunk);
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  });
  stream.on("end", () => rest && onLine(rest));
}

/** Runs a program quietly; null when it is missing or fails, its trimmed stdout otherwise. */
export function capture(command, args, options = {}) {
  const { env = {}, cwd = root } = options;
  const done = spawnSync(command, args, { cwd, env: { ...process.env, ...env }, encoding: "utf8" });
  return done.status === 0 ? done.stdout.trim() : null;
}

/** Prints a heading, so that a long log can be read. */
export function say(message) {
  console.log(`\n\x1b[1m• ${message}\x1b[0m`);
}

/** Runs `main` when the file is the program itself; prints a failed step with the way to repeat it. */
export async function asProgram(meta, main) {
  if (process.argv[1] !== fileURLToPath(meta.url)) return;
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    report(error);
    process.exit(1);
  }
}

export function report(error) {
  console.error(`\nFAILED ${error.message}`);
  if (error.rerun) console.error(`  run this step alone:  ${error.rerun}`);
  else if (!(error instanceof StepError)) console.error(error.stack);
}
