"use strict";
/**
 * Loads the addon of this platform: the one built into this folder, else the one of the platform's own package. What is exported is what
 * the Rust crate exports (index.d.ts).
 */
const { existsSync } = require("node:fs");
const { join } = require("node:path");

/** `gnu` or `musl` on Linux, `msvc` on Windows, nothing elsewhere: the last part of napi-rs's platform names. */
function abi() {
  if (process.platform === "win32") return "-msvc";
  if (process.platform !== "linux") return "";
  return process.report.getReport().header.glibcVersionRuntime ? "-gnu" : "-musl";
}

const platform = `${process.platform}-${process.arch}${abi()}`;
const local = join(__dirname, `tritlens.${platform}.node`);

module.exports = require(existsSync(local) ? local : `@tritlens/native-${platform}`);
