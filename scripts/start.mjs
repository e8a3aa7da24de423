/**
 * `npm start`: sets up what the Node path needs (no WASM toolchain), then runs the main job. Arguments go to it: `npm start -- --quick`.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { report, root } from "./lib/run.mjs";
import { setup } from "./setup.mjs";

try {
  await setup({ wasm: false });
} catch (error) {
  report(error);
  process.exit(1);
}

const cli = join(root, "packages", "sdk", "dist", "cli", "bin.js");
const job = spawn(process.execPath, [cli, "reproduce", ...process.argv.slice(2)], { cwd: root, stdio: "inherit" });
// Ctrl-C reaches the job by itself (same terminal); this process only waits, so that the job can write its checkpoint before the prompt returns.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => job.kill("SIGTERM"));
job.on("close", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 1)));
