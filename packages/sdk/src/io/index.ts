/** safetensors, checksums and files. */
export { CHECKSUM_KEY, checksumPlaceholder, sealChecksum, verifyChecksum } from "./checksum.ts";
export { DTYPE_BYTES, decodeFloats, decodeInts, type StoredDType } from "./dtype.ts";
export { type FolderLock, lockFile, lockFolder, readFileBytes, readSafetensors, writeFileAtomic } from "./files.ts";
export { parseSafetensors, type SafetensorsFile, type StoredTensor, serializeSafetensors, toTensor } from "./safetensors.ts";
export { parseShardIndex, readShards } from "./shards.ts";
