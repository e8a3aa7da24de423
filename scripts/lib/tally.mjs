/**
 * A vitest reporter that counts tests per project and writes the counts to the file named by `TRITLENS_TALLY`, so that the runner can add them to
 * Rust's and notice a project in which nothing ran.
 */
import { writeFileSync } from "node:fs";

export default class Tally {
  onTestRunEnd(modules, unhandledErrors) {
    const projects = {};
    for (const module of modules) {
      projects[module.project.name] ??= { passed: 0, failed: 0, skipped: 0 };
      const counts = projects[module.project.name];
      // A file that does not even load has no tests; it counts as one failure.
      if (module.state() === "failed" && [...module.children.allTests("failed")].length === 0) counts.failed += 1;
      for (const test of module.children.allTests()) counts[test.result().state] = (counts[test.result().state] ?? 0) + 1;
    }
    const file = process.env.TRITLENS_TALLY;
    if (file) writeFileSync(file, JSON.stringify({ projects, unhandled: unhandledErrors.length }));
  }
}
